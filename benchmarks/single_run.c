/* The fill loop of engine/fills_kernel.py, bar by bar, as one would write it in C: the anchor that
 * the engine's speed is measured against. Compiled with gcc -O3 -march=native -ffp-contract=off, it
 * gives the same equity, bit for bit. Sizing is a fraction of the equity, orders fill at the next
 * open. Returns how many trades closed. */
#include <math.h>
#include <stdint.h>

enum { LONG_ENTRY = 1, LONG_EXIT = 2, SHORT_ENTRY = 4, SHORT_EXIT = 8 };
enum { SIGNAL = 1, STOP_LOSS = 2, TAKE_PROFIT = 3, TRAILING_STOP = 4, RUIN = 6 };

typedef struct {
    double units, entry_price, exit_price, fees, mae, mfe, start_equity, end_equity;
    int64_t side, entry_index, exit_index, reason, ambiguous;
} trade;

typedef struct {
    double cash, units, entry_price, entry_fee, worst, best, start_equity;
    int64_t side, entry_index, closed;
} account;

static void close_trade(account *a, trade *trades, int64_t bar, double price, double fee_rate,
                        int reason, int ambiguous)
{
    double fee = a->units * price * fee_rate;
    double side = (double)a->side;
    double lowest = fmin(side * a->worst, side * price);
    double highest = fmax(side * a->best, side * price);
    trade *t = &trades[a->closed++];
    a->cash = a->cash + side * a->units * price - fee;
    t->units = a->units;
    t->entry_price = a->entry_price;
    t->exit_price = price;
    t->fees = a->entry_fee + fee;
    t->mae = (lowest - side * a->entry_price) / a->entry_price;
    t->mfe = (highest - side * a->entry_price) / a->entry_price;
    t->start_equity = a->start_equity;
    t->end_equity = a->cash;
    t->side = a->side;
    t->entry_index = a->entry_index;
    t->exit_index = bar;
    t->reason = reason;
    t->ambiguous = ambiguous;
    a->side = 0;
    a->units = 0.0;
}

static int wanted_side(int code, int64_t side)
{
    if (side > 0)
        return code & SHORT_ENTRY ? -1 : code & LONG_EXIT ? 0 : 1;
    if (side < 0)
        return code & LONG_ENTRY ? 1 : code & SHORT_EXIT ? 0 : -1;
    return (code & LONG_ENTRY ? 1 : 0) - (code & SHORT_ENTRY ? 1 : 0);
}

int64_t single_run(int64_t bars, const double *open, const double *high, const double *low,
                   const double *close, const uint8_t *signals, double cash, double size,
                   double fee_rate, double slippage, double stop_loss, double take_profit,
                   double trailing_stop, double *equity, uint8_t *holds_position, trade *trades)
{
    account a = {.cash = cash};
    int pending = 0, ruined = 0;

    for (int64_t i = 0; i < bars; i++) {
        if (pending && !ruined) {
            int wanted = wanted_side(pending, a.side);
            if (wanted != a.side) {
                if (a.side)
                    close_trade(&a, trades, i, open[i] * (1.0 - a.side * slippage), fee_rate,
                                SIGNAL, 0);
                if (wanted) {
                    double price = open[i] * (1.0 + wanted * slippage);
                    double units =
                        fmin(size * a.cash / price, a.cash / (price * (1.0 + fee_rate)));
                    if (units > 0.0) {
                        a.start_equity = a.cash;
                        a.side = wanted;
                        a.units = units;
                        a.entry_index = i;
                        a.entry_price = a.worst = a.best = price;
                        a.entry_fee = units * price * fee_rate;
                        a.cash = a.cash - a.side * units * price - a.entry_fee;
                    }
                }
            }
        }
        if (a.side) {
            double side = (double)a.side;
            double adverse = side > 0 ? low[i] : high[i];
            double favorable = side > 0 ? high[i] : low[i];
            double stop = -INFINITY, target = INFINITY, price = 0.0;
            int stop_reason = STOP_LOSS, reason = 0, ambiguous = 0;
            if (stop_loss > 0.0)
                stop = side * (a.entry_price * (1.0 - side * stop_loss));
            if (trailing_stop > 0.0) {
                double trailing = side * (a.best * (1.0 - side * trailing_stop));
                if (trailing > stop) {
                    stop = trailing;
                    stop_reason = TRAILING_STOP;
                }
            }
            if (take_profit > 0.0)
                target = side * (a.entry_price * (1.0 + side * take_profit));
            if (side * open[i] <= stop) {
                reason = stop_reason;
                price = open[i] * (1.0 - side * slippage);
            } else if (side * open[i] >= target) {
                reason = TAKE_PROFIT;
                price = open[i];
            } else if (side * adverse <= stop) {
                ambiguous = side * favorable >= target;
                reason = stop_reason;
                price = side * stop * (1.0 - side * slippage);
            } else if (side * favorable >= target) {
                reason = TAKE_PROFIT;
                price = side * target;
            }
            if (reason) {
                close_trade(&a, trades, i, price, fee_rate, reason, ambiguous);
            } else {
                if (side * adverse < side * a.worst)
                    a.worst = adverse;
                if (side * favorable > side * a.best)
                    a.best = favorable;
            }
        }
        pending = signals[i];
        double worth = a.cash + a.side * a.units * close[i];
        if (a.side && worth <= 0.0) {
            close_trade(&a, trades, i, close[i] * (1.0 - a.side * slippage), fee_rate, RUIN, 0);
            worth = fmin(worth, a.cash);
        }
        if (worth <= 0.0)
            ruined = 1;
        equity[i] = a.cash + a.side * a.units * close[i];
        holds_position[i] = a.side != 0;
    }
    return a.closed;
}
