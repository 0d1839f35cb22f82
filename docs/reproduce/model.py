EPOCHS = 60
RATE = 0.1


def scaled(rows):
    return [(size / 100 - 1.2, age / 45 - 1, price) for size, age, price in rows]


def fit(rows):
    base = by_size = by_age = 0.0
    for _ in range(EPOCHS):
        for size, age, price in scaled(rows):
            off = base + by_size * size + by_age * age - price
            base -= RATE * off / 10
            by_size -= RATE * off * size / 10
            by_age -= RATE * off * age / 10
    return base, by_size, by_age


def predict(model, row):
    base, by_size, by_age = model
    ((size, age, _),) = scaled([row])
    return base + by_size * size + by_age * age
