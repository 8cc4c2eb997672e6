"""English sentences of reviews. {n} is the product's noun, {very} an adverb, {days} days until it was delivered."""

VERY = ("very", "really", "truly", "surprisingly", "rather", "quite")

GOOD: dict[str, tuple[str, ...]] = {
    "quality": (
        "{very} good workmanship on the {n}.", "Solid material, nothing wobbles or scratches.",
        "After weeks of daily use it still looks new.", "You can feel the good workmanship.",
        "It has survived everything so far and I expect it to last for years.", "Sturdy, no loose parts at all.",
    ),
    "price": (
        "{very} good value for the money.", "Worth every cent.", "Cheaper than elsewhere and no worse.",
        "I would have paid more for the {n}.", "For this price you will not find a better one.", "A bargain.",
    ),
    "delivery": (
        "It arrived after {days} days, well packed.", "Fast shipping, the box was intact.",
        "The parcel came earlier than promised.", "Delivery was {very} quick.", "Neatly wrapped and on time.",
        "Shipping took only {days} days.",
    ),
    "service": (
        "Customer service answered within the hour.", "The staff were friendly and solved my question at once.",
        "They exchanged it without any fuss.", "Support was {very} helpful.", "The refund of my first order was easy.",
        "Polite people, quick replies.",
    ),
    "look": (
        "It looks {very} pretty.", "The {colour} is even nicer than in the pictures.", "A lovely design.",
        "Everybody asks me where I got the {n}.", "Elegant and simple, just as shown.", "The colours are beautiful.",
    ),
    "fit": (
        "It fits perfectly.", "True to size and {very} comfortable.", "The cut is flattering and nothing pinches.",
        "My usual size is just right.", "Soft on the skin, I forget that I am wearing it.", "The length is ideal.",
    ),
    "use": (
        "It is {very} easy to use.", "Works straight out of the box.", "Simple to clean and it does what it should.",
        "Set up in a minute without reading anything.", "Handy, I use it every day.", "It does its job quietly.",
    ),
}  # fmt: skip

BAD: dict[str, tuple[str, ...]] = {
    "quality": (
        "The {n} broke after two weeks.", "It feels flimsy and {very} cheaply made.",
        "The material came apart at the first use.", "Scratched and worn within days.",
        "Poor workmanship, one part was loose from the start.", "It did not last a month.",
    ),
    "price": (
        "{very} overpriced.", "Not worth the money.", "I saw the same {n} for half the price elsewhere.",
        "Too expensive for what it is.", "A week later it was much cheaper, annoying.", "Save your money.",
    ),
    "delivery": (
        "It took {days} days to arrive.", "The parcel was late and the box was crushed.",
        "Delivery was {very} slow.", "It was left in the rain by the courier.",
        "I waited far longer than promised.", "Badly packed, it rattled in the box.",
    ),
    "service": (
        "Customer service never answered.", "I was put off three times and nobody helped.",
        "They refused the exchange without a reason.", "Support was {very} rude.",
        "I am still waiting for my refund.", "Five messages, no reply.",
    ),
    "look": (
        "It looks {very} dull.", "The {colour} has nothing in common with the pictures.", "An ugly design.",
        "It looks much cheaper than in the photos.", "The colour is faded and uneven.", "Clumsy shape, not as shown.",
    ),
    "fit": (
        "It is much too small.", "The size is wrong and it is {very} uncomfortable.",
        "The cut is odd, it pinches everywhere.", "I had to send it back because it runs large.",
        "It itches and is too tight.", "Far too long for me.",
    ),
    "use": (
        "It is {very} hard to use.", "It stopped working after a few tries.", "Impossible to clean.",
        "The instructions make no sense.", "Awkward to hold and too loud.", "It does not do what it promises.",
    ),
}  # fmt: skip

TITLES = {
    1: ("Love it", "Great {n}", "Happy with it", "Would buy again", "Recommended", "Just what I wanted"),
    0: ("It is okay", "Mixed feelings", "So-so", "Average {n}", "Good and bad", "Not sure yet"),
    -1: ("Disappointed", "Do not buy", "Would not buy again", "Bad {n}", "Sent it back", "Regret it"),
}  # fmt: skip

NEUTRAL = (
    "I ordered it last month.", "Bought as a gift.", "This is my second order here.", "I use it at home.",
    "Ordered on a Sunday evening.", "I read the other reviews first.",
)  # fmt: skip
PERSONAL = (
    ("Write to me at ", " if you want pictures."), ("My contact: ", "."), ("They have it as ", " in my order."),
    ("I even gave them ", " and heard nothing."),
)  # fmt: skip
DECOYS = ("My order was no. 2025-{number}.", "Model {number}-B by the way.", "I measured 12 345 mm, about 40 x 60.")
UPDATES = {
    1: ("Update: I changed my mind, it is better than I first thought.", "Edit: now I am happy with it."),
    -1: ("Update: I changed my mind, it is worse than I first thought.", "Edit: now I am unhappy with it."),
}
