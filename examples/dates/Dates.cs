using Softmodel.Runtime.Fusion;

static class Dates
{
    [Exact("How many days lie between two dates.",
        "How many days are there between {from:5 March 2024} and {to:8 April 2024}?",
        "How many days is it from {from:2023-12-24} to {to:2024-01-06}?",
        "How many days will have passed from {from:May 1, 2021} until {to:May 20, 2021}?",
        "If today is {from:2 June 2022}, how many days are left until {to:24 December 2022}?",
        "It began on {from:10 October 2010} and ended on {to:12 November 2010}. How many days did it take?",
        "{to:31 December 1999} is how many days after {from:1 July 1998}?",
        "What is the number of days between {from:July 4, 1776} and {to:April 30, 1789}?",
        "What is the time from {from:2020-02-28} to {to:2020-03-01} in days?",
        "{from:9 March 1945} to {to:2 September 1945} makes how many days?",
        "Starting on {from:2027-05-01}, for how many days must one wait until {to:2027-07-15}?",
        "What is {to:September 3, 2011} minus {from:June 21, 2011} in days?",
        "Our trip goes from {from:18 July 2022} to {to:3 August 2022}: for how many days are we away?",
        "Count the days from {from:12/24/2025} to {to:01/06/2026}.",
        "the days between {from:3 May 2023} and {to:30 May 2023}",
        Negatives =
        [
            "How many weeks are there between {from} and {to}?",
            "How many months lie between {from} and {to}?",
            "How many years passed from {from} to {to}?",
            "How many working days are there between {from} and {to}?",
            "Which day of the week was {from}?",
            "What happened between {from} and {to}?",
            "Which is earlier, {from} or {to}?",
        ])]
    static int DaysBetween(DateOnly from, DateOnly to) => Math.Abs(to.DayNumber - from.DayNumber);
}
