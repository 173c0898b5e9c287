"""Copy that breaks a rule, for every rule: channel, fields, changes to the brief, what the finding quotes."""

from typing import Any

from prompts.brand import Brand, Disclaimer, Term
from prompts.variant import Fields
from tests.prompts.briefs import CLEAN, GREETING, changed

NO_OFFER: dict[str, Any] = {"offer": None}
PERSONAL: dict[str, Any] = {"personalise": True}
BRANDED: dict[str, Any] = {"brand": Brand(required_words=("hand-thrown",))}
TERMS = (Term(use="planter", never=("pot",)), Term(use="GrowBag", never=("Growbag",)))
GLOSSARY: dict[str, Any] = {"brand": Brand(glossary=TERMS)}
DISCLAIMED: dict[str, Any] = {
    "brand": Brand(disclaimers=(Disclaimer(text="While in stock.", channels=("email",)),))
}
GERMAN = "Jetzt 15% off mit dem Code GROW15 bis 30 April: ein Topf, der den Winter gut übersteht."
HEAVY = (
    "Contemporary horticultural enthusiasts experiencing intermittent meteorological unpredictability "
    "invariably appreciate considerable structural resilience alongside uncomplicated maintenance "
    "characteristics, irrespective of individual environmental circumstances, and particularly a drainage "
    "hole in every receptacle that they purchase."
)


def body(text: str) -> Fields:
    """Clean e-mail copy whose body goes on with a text."""
    return changed("email", body=f"{CLEAN['email']['body']} {text}")


def bare(text: str) -> Fields:
    """E-mail copy that offers nothing, with a text in its body."""
    return {
        "subject": "Meet Fernhill Stoneware Planter",
        "preheader": "A pot with a drainage hole.",
        "body": text,
        "cta": "See it",
    }


BROKEN: list[tuple[str, str, Fields, dict[str, Any], str]] = [
    (
        "length.hard",
        "search",
        changed("search", headlines=["Fernhill Stoneware Planter now!", "b"]),
        {},
        "31",
    ),
    ("length.hard", "social", changed("social", text=f"{CLEAN['social']['text']} {'日本' * 40}"), {}, "280"),
    ("length.hard", "email", changed("email", subject="é" * 500), {}, "1000 bytes"),
    (
        "length.soft",
        "sms",
        changed("sms", text=f"{CLEAN['sms']['text']} Enjoy it all year long, indoors and out."),
        {},
        "2 parts",
    ),
    ("length.soft", "sms", changed("sms", text=f"{CLEAN['sms']['text']} ’"), {}, "GSM 03.38"),
    (
        "length.soft",
        "push",
        changed("push", title=f"Hello {GREETING}, {'x' * 31}"),
        {"personalise": True},
        "51",
    ),
    ("length.items", "search", changed("search", headlines=["a", "b"]), {}, "2 texts: 3 to 15"),
    ("length.items", "push", {"title": "Fernhill"}, {}, "body is empty"),
    (
        "facts.product",
        "push",
        changed("push", body="Take 15% off with code GROW15."),
        {},
        "Stoneware Planter",
    ),
    (
        "facts.product",
        "push",
        changed("push", body="Fernhill Stoneware Planters"),
        {},
        "never names the product",
    ),
    ("facts.offer", "email", changed("email", preheader="With code GROW15 until 30 April."), {}, "'15% off'"),
    (
        "facts.code",
        "email",
        changed("email", preheader="15% off, code grow15 until 30 April"),
        {},
        "'GROW15'",
    ),
    ("facts.ends", "email", changed("email", preheader="15% off with code GROW15"), {}, "'30 April'"),
    (
        "facts.benefits",
        "email",
        changed("email", body="Your balcony could use company."),
        {},
        "a drainage hole",
    ),
    ("facts.link", "social", changed("social", text="Fernhill Stoneware Planter"), {}, "fernhill.example"),
    ("tags.greeting", "email", CLEAN["email"], PERSONAL, "first_name"),
    (
        "tags.unasked",
        "banner",
        changed("banner", headline=f"Hi {GREETING}"),
        {"personalise": True},
        "no one reader",
    ),
    ("tags.unasked", "email", body(f"Bye {GREETING}"), {}, "asks for none"),
    ("invented.number", "email", body("It holds 12 litres."), {}, "'12 litres'"),
    ("invented.number", "email", body("Over twenty-five days of bloom."), {}, "'twenty-five days'"),
    ("invented.number", "email", body("It is 30 kg."), {}, "'30 kg'"),
    ("invented.number", "email", body("Call us 24/7."), {}, "'7'"),
    ("invented.number", "email", body("Take 20 off."), {}, "'20 off'"),
    ("invented.percent", "email", body("Save 20%."), {}, "'20%'"),
    ("invented.percent", "email", body("Save 24 %."), {}, "'24 %'"),
    ("invented.percent", "email", body("Now half price!"), {}, "'half price'"),
    ("invented.percent", "email", body("Save twenty per cent."), {}, "'twenty per cent'"),
    ("invented.price", "email", body("Only £15 today."), {}, "'£15'"),
    ("invented.price", "email", body("Only $24.00."), {}, "'$24.00'"),
    ("invented.price", "email", body("Ten pounds well spent."), {}, "'Ten pounds'"),
    ("invented.price", "email", body("Nur 15 € heute."), {}, "'15 €'"),
    ("invented.date", "email", body("Ends 29 April."), {}, "'29 April'"),
    ("invented.date", "email", body("Ends Sunday."), {}, "'Sunday'"),
    ("invented.date", "email", body("Here until 3 May."), {}, "'3 May'"),
    ("invented.date", "email", body("New for September."), {}, "'September'"),
    ("invented.date", "email", body("Order before midnight."), {}, "'before midnight'"),
    ("invented.date", "email", body("Today only!"), {}, "'Today only'"),
    ("invented.code", "email", body("Or use SAVE50."), {}, "'SAVE50'"),
    ("invented.code", "email", body("Or with code SPRING."), {}, "'SPRING'"),
    ("invented.code", "email", bare("Use code at checkout."), NO_OFFER, "gives no code"),
    ("invented.offer", "email", body("Plus free shipping."), {}, "'free shipping'"),
    ("invented.offer", "email", bare("Get a discount."), NO_OFFER, "'discount'"),
    ("invented.offer", "email", body("With a money-back promise."), {}, "'money-back'"),
    ("claims.guarantee", "push", changed("push", title="Risk-free growing"), {}, "'Risk-free'"),
    ("claims.guarantee", "email", body("It never fails."), {}, "'never fails'"),
    ("claims.health", "email", body("It relieves anxiety."), {}, "'relieves anxiety'"),
    ("claims.health", "email", body("Clinically proven calm."), {}, "'Clinically proven'"),
    ("claims.finance", "email", body("It pays for itself."), {}, "'pays for itself'"),
    ("claims.finance", "email", body("Buy now, pay later."), {}, "'Buy now, pay later'"),
    ("claims.free", "email", body("A free saucer for all."), {}, "'free'"),
    ("claims.superlative", "email", body("The world’s best pot."), {}, "'world’s best'"),
    ("claims.superlative", "email", body("The #1 planter."), {}, "'#1'"),
    ("claims.proof", "email", body("Loved by thousands of gardeners."), {}, "'thousands of'"),
    ("claims.scarcity", "email", body("Selling fast."), {}, "'Selling fast'"),
    ("words.banned", "email", body("No cheaper pot."), {}, "'cheaper'"),
    ("words.banned", "email", body("Stop hurrying, it hurries you."), {}, "'hurries'"),
    (
        "words.required",
        "email",
        CLEAN["email"],
        {"brand": Brand(required_words=("hand-thrown",))},
        "'hand-thrown'",
    ),
    ("words.leftover", "email", body("Until {{ends}}."), {}, "{{ends}}"),
    ("words.leftover", "email", body("Dear [First Name], hi."), {}, "'[First Name]'"),
    ("words.leftover", "email", body("{% if x %}"), {}, "{% if x %}"),
    ("leaks.prompt", "email", body("\naudience: gardening"), {}, "audience:"),
    (
        "leaks.prompt",
        "email",
        changed("email", subject="Subject: Fernhill Stoneware Planter"),
        {},
        "Subject:",
    ),
    ("leaks.prompt", "email", body("As an AI, I like pots."), {}, "As an AI"),
    ("leaks.prompt", "email", body("<|end|>"), {}, "<|end|>"),
    ("leaks.markup", "email", body("<b>Now</b>"), {}, "<b>"),
    ("leaks.markup", "email", body("It is **new**."), {}, "**new**"),
    ("style.shouting", "email", body("BUY IT NOW"), {}, "BUY IT NOW"),
    ("style.shouting", "email", body("Lovely!!"), {}, "!!"),
    ("style.hashtags", "social", changed("social", hashtags=["gardening"]), {}, "'gardening'"),
    ("style.hashtags", "social", changed("social", hashtags=["#in bloom"]), {}, "'#in bloom'"),
    ("words.profane", "email", body("A shitty pot no more."), {}, "'shitty'"),
    ("words.profane", "email", body("F***ing good."), {}, "'F***ing'"),
    ("brand.glossary", "email", body("Any old pot will do."), GLOSSARY, "where the brand says 'planter'"),
    ("brand.glossary", "email", body("It suits Growbags."), GLOSSARY, "'GrowBag'"),
    ("brand.disclaimer", "email", CLEAN["email"], DISCLAIMED, "'While in stock.'"),
    ("language.other", "email", body("\n\n") | {"preheader": GERMAN}, {}, "reads as 'de'"),
    ("style.readability", "email", changed("email", body=HEAVY), {}, "reading ease"),
    ("links.foreign", "email", body("See https://evil.example/a."), {}, "'https://evil.example/a'"),
    ("links.foreign", "email", body("See fernhill.com now."), {}, "'fernhill.com'"),
    ("links.foreign", "sms", changed("sms", text=f"{CLEAN['sms']['text']}?x=1"), {}, "?x=1"),
    ("personal.email", "email", body("Write to ada@fernhill.example."), {}, "ada@fernhill.example"),
    ("personal.phone", "email", body("Ring +44 20 7946 0958."), {}, "+44 20 7946 0958"),
    ("personal.card", "email", body("Card 4111 1111 1111 1111."), {}, "'4111 1111 1111 1111'"),
    ("personal.account", "email", body("To GB29 NWBK 6016 1331 9268 19."), {}, "bank account"),
    ("personal.account", "email", body("To 20-00-00 55779911."), {}, "'20-00-00 55779911'"),
    ("personal.identity", "email", body("Is AB 12 34 56 C yours?"), {}, "'AB 12 34 56 C'"),
    ("personal.identity", "email", body("Is 219-09-9999 yours?"), {}, "'219-09-9999'"),
    ("duplicates.items", "search", changed("search", headlines=["Tea!", "tea", "c"]), {}, "headlines[0]"),
    ("duplicates.fields", "email", changed("email", preheader=CLEAN["email"]["subject"]), {}, "subject"),
]
