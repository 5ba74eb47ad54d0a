/* One variant of a moving-average cross, bar by bar: the loop that a sweep has to beat.
   Long only, the whole of equity, filled at the next open, a fee on each side. */
#include <stdint.h>

double cross(int64_t bars, const double *open, const double *close, int64_t fast, int64_t slow,
             double fee, double capital, int64_t *trades)
{
    double cash = capital, units = 0.0, fast_sum = 0.0, slow_sum = 0.0;
    int was_above = 0, was_defined = 0, order = 0;
    int64_t count = 0;
    for (int64_t i = 0; i < bars; i++) {
        if (order == 1) {
            units = cash / (open[i] * (1.0 + fee));
            cash -= units * open[i] * (1.0 + fee);
        } else if (order == -1) {
            cash += units * open[i] * (1.0 - fee);
            units = 0.0;
            count++;
        }
        order = 0;
        fast_sum += close[i];
        slow_sum += close[i];
        if (i >= fast) fast_sum -= close[i - fast];
        if (i >= slow) slow_sum -= close[i - slow];
        if (i >= slow - 1) {
            int is_above = fast_sum / fast > slow_sum / slow;
            if (was_defined) {
                if (is_above && !was_above && units == 0.0) order = 1;
                else if (!is_above && was_above && units > 0.0) order = -1;
            }
            was_above = is_above;
            was_defined = 1;
        }
    }
    *trades = count;
    return cash + units * close[bars - 1];
}

void sweep(int64_t bars, const double *open, const double *close, int64_t variants,
           const int64_t *fast, const int64_t *slow, double fee, double capital, double *equity,
           int64_t *trades)
{
    for (int64_t v = 0; v < variants; v++)
        equity[v] = cross(bars, open, close, fast[v], slow[v], fee, capital, &trades[v]);
}
