#include "forest/time_text.h"

#include <stdio.h>
#include <string.h>

#include "base/poison.h"

#define NS_PER_SECOND INT64_C(1000000000)

struct date {
    int64_t year, month, day;
};

/* Days since 1970-01-01 in the Gregorian calendar. Years begin in March, so that the leap day is
 * their last. */
static int64_t days_from_date(struct date date)
{
    const int64_t year = date.month <= 2 ? date.year - 1 : date.year;
    const int64_t era = (year >= 0 ? year : year - 399) / 400;
    const int64_t year_of_era = year - era * 400;
    const int64_t day_of_year = (153 * ((date.month + 9) % 12) + 2) / 5 + date.day - 1;
    const int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static struct date date_from_days(int64_t days)
{
    days += 719468;
    const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    const int64_t day_of_era = days - era * 146097;
    const int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t month = (5 * day_of_year + 2) / 153;
    struct date date = {
        .year = year_of_era + era * 400,
        .month = month < 10 ? month + 3 : month - 9,
        .day = day_of_year - (153 * month + 2) / 5 + 1,
    };
    if (date.month <= 2) date.year += 1;
    return date;
}

static int64_t days_of_month(int64_t year, int64_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return month == 2 && leap ? 29 : days[month - 1];
}

/* Exactly `count` digits. */
static bool input_number(struct input *input, uint32_t count, int64_t *number)
{
    *number = 0;
    for (uint32_t i = 0; i < count; i += 1) {
        if (!is_digit(input_peek(input))) return false;
        *number = *number * 10 + (input_peek(input) - '0');
        input->at += 1;
    }
    return true;
}

static bool time_refuse(struct input *input)
{
    return input_refuse(
        input,
        "`%.*s` is not a time: write 2010-12-01 or 2010-12-01T08:26:00Z, or +01:00 for Z",
        INPUT_TEXT(input)
    );
}

static bool parse_date(struct input *input, int64_t *days)
{
    struct date date;
    if (!input_number(input, 4, &date.year) || !input_accept(input, '-') ||
        !input_number(input, 2, &date.month) || !input_accept(input, '-') ||
        !input_number(input, 2, &date.day)) {
        return time_refuse(input);
    }
    if (date.month < 1 || date.month > 12) {
        return input_refuse(input, "`%.*s` has no such month", INPUT_TEXT(input));
    }
    if (date.day < 1 || date.day > days_of_month(date.year, date.month)) {
        return input_refuse(input, "`%.*s`: this month has no such day", INPUT_TEXT(input));
    }
    *days = days_from_date(date);
    return true;
}

/* "." digits: nanoseconds; more than nine digits only if they are zeros. */
static bool parse_fraction(struct input *input, int64_t *nanoseconds)
{
    uint32_t digits = 0;
    for (; is_digit(input_peek(input)); input->at += 1, digits += 1) {
        if (digits < 9) {
            *nanoseconds = *nanoseconds * 10 + (input_peek(input) - '0');
        } else if (input_peek(input) != '0') {
            return input_refuse(
                input, "`%.*s` is finer than a nanosecond: 9 digits at most", INPUT_TEXT(input)
            );
        }
    }
    if (digits == 0) return time_refuse(input);
    for (; digits < 9; digits += 1)
        *nanoseconds *= 10;
    return true;
}

/* hh:mm [ :ss [ .digits ] ] */
static bool parse_clock(struct input *input, int64_t *seconds, int64_t *nanoseconds)
{
    int64_t hour;
    int64_t minute;
    int64_t second = 0;
    if (!input_number(input, 2, &hour) || !input_accept(input, ':') ||
        !input_number(input, 2, &minute)) {
        return time_refuse(input);
    }
    if (input_accept(input, ':')) {
        if (!input_number(input, 2, &second)) return time_refuse(input);
        if (input_accept(input, '.') && !parse_fraction(input, nanoseconds)) return false;
    }
    if (hour > 23 || minute > 59 || second > 59) {
        return input_refuse(input, "`%.*s`: a day has 00:00:00 to 23:59:59", INPUT_TEXT(input));
    }
    *seconds = hour * 3600 + minute * 60 + second;
    return true;
}

/* [ Z | (+|-) hh:mm ] and the end. */
static bool parse_zone(struct input *input, int64_t *offset)
{
    *offset = 0;
    if (input_at_end(input)) return true;
    if (input_accept(input, 'Z')) return input_at_end(input) ? true : time_refuse(input);

    const bool west = input_accept(input, '-');
    int64_t hour;
    int64_t minute;
    if ((!west && !input_accept(input, '+')) || !input_number(input, 2, &hour) ||
        !input_accept(input, ':') || !input_number(input, 2, &minute) || !input_at_end(input)) {
        return time_refuse(input);
    }
    if (hour > 23 || minute > 59) {
        return input_refuse(input, "`%.*s` has no such offset from UTC", INPUT_TEXT(input));
    }
    *offset = (hour * 3600 + minute * 60) * (west ? -1 : 1);
    return true;
}

bool time_parse(struct input *input, void *value)
{
    int64_t days = 0;
    int64_t seconds = 0;
    int64_t nanoseconds = 0;
    int64_t offset = 0;
    if (!parse_date(input, &days)) return false;
    if (!input_at_end(input)) {
        if (!input_accept(input, 'T') && !input_accept(input, ' ')) return time_refuse(input);
        if (!parse_clock(input, &seconds, &nanoseconds)) return false;
        if (!parse_zone(input, &offset)) return false;
    }
    /* Four digits of year: no overflow before the last step. */
    int64_t time = days * 86400 + seconds - offset;
    const __int128 wide = (__int128)time * NS_PER_SECOND + nanoseconds;
    if (wide < INT64_MIN || wide > INT64_MAX) {
        return input_refuse(
            input, "`%.*s` is out of range: times go from 1677 to 2262", INPUT_TEXT(input)
        );
    }
    time = (int64_t)wide;
    memcpy(value, &time, sizeof time);
    return true;
}

uint64_t time_format(const void *value, char *text)
{
    int64_t time;
    memcpy(&time, value, sizeof time);
    int64_t seconds = time / NS_PER_SECOND;
    int64_t nanoseconds = time % NS_PER_SECOND;
    if (nanoseconds < 0) {
        nanoseconds += NS_PER_SECOND;
        seconds -= 1;
    }
    int64_t days = seconds / 86400;
    int64_t second = seconds % 86400;
    if (second < 0) {
        second += 86400;
        days -= 1;
    }
    const struct date date = date_from_days(days);
    int length = snprintf(
        text,
        64,
        "%04d-%02d-%02dT%02d:%02d:%02d",
        (int)date.year,
        (int)date.month,
        (int)date.day,
        (int)(second / 3600),
        (int)(second / 60 % 60),
        (int)(second % 60)
    );
    if (nanoseconds != 0) {
        length += snprintf(text + length, 16, ".%09d", (int)nanoseconds);
        while (text[length - 1] == '0')
            length -= 1;
    }
    text[length] = 'Z';
    return (uint64_t)length + 1;
}
