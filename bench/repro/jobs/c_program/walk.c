/* A random walk with a generator of its own, so that every machine takes the same steps. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>

static uint64_t state = 88172645463325252ULL;

static double draw(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (double)(state >> 11) / 9007199254740992.0 - 0.5;
}

int main(void)
{
    double x = 0.0, y = 0.0;
    for (int step = 1; step <= 1000000; step++) {
        x += draw();
        y += draw();
        if (step % 100000 == 0)
            printf("%d %.17g\n", step, sqrt(x * x + y * y));
    }
    return 0;
}
