# A linear model of the yield, and a bootstrap of its slope.
set.seed(7)
table <- read.csv("data/measurements.csv")
fit <- lm(yield ~ length + width + height, data = table)
print(coef(fit), digits = 12)
slopes <- replicate(100, {
  rows <- sample(nrow(table), replace = TRUE)
  coef(lm(yield ~ length + width + height, data = table[rows, ]))[["length"]]
})
cat(sprintf("slope %.12f to %.12f\n", quantile(slopes, 0.025), quantile(slopes, 0.975)))
