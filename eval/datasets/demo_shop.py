"""Phrases of the demo shop: its lines by interest, the makers it names, and words nobody put in a title."""

import msgspec


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """What the shop sells to one interest."""

    category: str
    makers: tuple[str, ...]
    closings: tuple[str, ...]
    """One of them ends an item's description."""
    query_words: tuple[str, ...]
    """Phrases for these people, none of whose content words is in a title of theirs."""


LINES: dict[str, Line] = {
    "hiking": Line(
        category="Trail & Camp",
        makers=("Cairn & Clough", "Fellgate"),
        closings=(
            "For long days on foot in the hills.",
            "Packed for walkers who go on past the last farm.",
            "Made for hikers, in all weathers.",
        ),
        query_words=(
            "people who go walking in the mountains",
            "long treks over hills and moorland trails",
            "anyone who enjoys rambling in high country",
        ),
    ),
    "cooking": Line(
        category="Kitchen & Table",
        makers=("Marrow & Rye", "Saltgate Kitchen"),
        closings=(
            "For people who cook most nights.",
            "From our kitchen shelf, for home cooks.",
            "Made for good dinners and better leftovers.",
        ),
        query_words=(
            "people who enjoy preparing meals from scratch",
            "trying new recipes and making delicious food",
            "keen home chefs and bakers",
        ),
    ),
    "yoga": Line(
        category="Yoga & Wellbeing",
        makers=("Stillwater Studio", "Prana & Pine"),
        closings=(
            "For yoga at home or in the studio.",
            "A quiet help to your yoga practice.",
            "For yogis at any stage of the practice.",
        ),
        query_words=(
            "people who practise poses and mindful breathing",
            "sun salutations, vinyasa and flexibility",
            "anyone who goes to yogic classes",
        ),
    ),
    "gaming": Line(
        category="Games & Electronics",
        makers=("Second Quest", "Pixel Harbour"),
        closings=(
            "For gamers, at a desk or around a table.",
            "For long game nights with friends.",
            "For players who like one more round.",
        ),
        query_words=(
            "people who play video games",
            "console and multiplayer fans",
            "enthusiasts of esports and role-playing",
        ),
    ),
    "music": Line(
        category="Books & Music",
        makers=("Halfnote", "Corriebrook"),
        closings=(
            "For musicians and people who listen closely.",
            "For making music at home.",
            "For anyone with a tune in their head.",
        ),
        query_words=(
            "people who listen to songs and play instruments",
            "fans of melodies and live bands",
            "hobby musicians",
        ),
    ),
    "travel": Line(
        category="Cycling & Travel",
        makers=("Meridian Row", "Port & Platform"),
        closings=(
            "For travellers by train, plane and ferry.",
            "For trips abroad, long or short.",
            "For holidays that begin at the door.",
        ),
        query_words=(
            "people who take trips abroad",
            "holidays, flights and hotels",
            "globetrotters exploring foreign countries",
        ),
    ),
    "photography": Line(
        category="Camera & Studio",
        makers=("Aperture Lane", "Silverhalide Works"),
        closings=(
            "For photographers on film or on sensors.",
            "For people who see the picture first.",
            "For photographs worth printing.",
        ),
        query_words=(
            "people who take pictures",
            "capturing portraits and landscapes",
            "anyone keen on snapshots and images",
        ),
    ),
    "gardening": Line(
        category="Garden & Allotment",
        makers=("Nettle & Loam", "Applegarth"),
        closings=(
            "For gardeners with an acre or a windowsill.",
            "From our potting shed, for beds, borders and balconies.",
            "For a garden that is used every day.",
        ),
        query_words=(
            "people who love growing plants and vegetables",
            "tending flowers and shrubs at home",
            "anyone who looks after an orchard or lawn",
        ),
    ),
    "fitness": Line(
        category="Sport & Training",
        makers=("Ironmoor", "Tempo Yard"),
        closings=(
            "For workouts at home or in the gym.",
            "For getting stronger, one session at a time.",
            "For people who train before breakfast.",
        ),
        query_words=(
            "people who lift weights at the gym",
            "strength training and exercise",
            "getting in shape by regular workouts",
        ),
    ),
    "reading": Line(
        category="Books & Music",
        makers=("Lamplight Press", "Quire & Quill"),
        closings=(
            "For readers with a pile beside the bed.",
            "For quiet hours with a good book.",
            "For anyone who reads to the end of the chapter.",
        ),
        query_words=(
            "people who enjoy novels and literature",
            "bookworms who devour stories",
            "visitors of libraries and bookshops",
        ),
    ),
    "cycling": Line(
        category="Cycling & Travel",
        makers=("Freewheel Forge", "Tarmac & Thyme"),
        closings=(
            "For cyclists on lanes, paths and city streets.",
            "For every ride, to work or nowhere in particular.",
            "For people who go by bicycle.",
        ),
        query_words=(
            "people who ride a bicycle",
            "pedalling and touring on two wheels",
            "cyclists on their road bikes",
        ),
    ),
    "technology": Line(
        category="Games & Electronics",
        makers=("Plainwire", "Ohm & Oak"),
        closings=(
            "Technology that gets out of the way.",
            "For people who like a clever device.",
            "For desks and homes full of electronics.",
        ),
        query_words=(
            "people who are keen on gadgets and electronics",
            "computers and smart devices",
            "early adopters of new tech",
        ),
    ),
    "parenting": Line(
        category="Family & Pets",
        makers=("Little Wren", "Cradle & Kite"),
        closings=(
            "For parents of babies and toddlers.",
            "For family life with small children.",
            "For the nursery and everywhere after it.",
        ),
        query_words=(
            "people raising babies and toddlers",
            "mums and dads with young children",
            "parents of an infant",
        ),
    ),
    "pets": Line(
        category="Family & Pets",
        makers=("Muddy Paw", "Whisker & Wag"),
        closings=(
            "For dogs, cats and the people they own.",
            "For a happy animal and a calmer house.",
            "For pets of every size.",
        ),
        query_words=(
            "people who have a dog or a cat",
            "owners of furry companions",
            "animal lovers with a puppy or kitten",
        ),
    ),
    "fashion": Line(
        category="Clothing & Accessories",
        makers=("Ashdown Row", "Velour & Twill"),
        closings=(
            "For a wardrobe that works together.",
            "For people who enjoy getting dressed.",
            "Cut to be worn for years, and in style.",
        ),
        query_words=(
            "people who follow trends and care about style",
            "the latest clothes and outfits",
            "elegant apparel for the well dressed",
        ),
    ),
    "wellness": Line(
        category="Yoga & Wellbeing",
        makers=("Hush & Heather", "Slow Tide"),
        closings=(
            "For rest, sleep and a slower evening.",
            "A small act of self-care.",
            "For winding down at home.",
        ),
        query_words=(
            "people who look after their rest and self-care",
            "relaxing baths and better sleep",
            "calming down from stress",
        ),
    ),
    "sustainability": Line(
        category="Low-Waste Home",
        makers=("Second Harvest Goods", "Lasting Works"),
        closings=(
            "For a home that throws less away.",
            "A reusable habit with less plastic in it.",
            "For greener days without the lecture.",
        ),
        query_words=(
            "people who avoid plastic and waste",
            "an eco-friendly life that protects the planet",
            "environmentally conscious shoppers",
        ),
    ),
    "football": Line(
        category="Sport & Training",
        makers=("Touchline", "Kop & Corner"),
        closings=(
            "For football on Sunday mornings and weekday evenings.",
            "For players, coaches and the crowd on the touchline.",
            "For the beautiful game in any weather.",
        ),
        query_words=(
            "people who follow soccer matches",
            "supporters cheering a team on the pitch",
            "strikers, defenders and midfielders",
        ),
    ),
    "art": Line(
        category="Camera & Studio",
        makers=("Ochre & Umber", "Garret Studio"),
        closings=(
            "For painters, printmakers and people who draw.",
            "For the studio, or the end of the kitchen table.",
            "For artists, beginning or long begun.",
        ),
        query_words=(
            "people who paint and draw",
            "painting on canvas as a hobby",
            "anyone who enjoys creative drawing",
        ),
    ),
    "camping": Line(
        category="Trail & Camp",
        makers=("Ember & Guy", "Long Meadow"),
        closings=(
            "For campers, with a car or without.",
            "For nights under canvas.",
            "For the campsite, from first light to last ember.",
        ),
        query_words=(
            "people who spend nights outdoors under the stars",
            "pitching up in the wild with friends",
            "a weekend beneath canvas",
        ),
    ),
}

CATEGORIES: tuple[str, ...] = tuple(sorted({line.category for line in LINES.values()}))

QUERY_WORDS: dict[str, tuple[str, ...]] = {interest: line.query_words for interest, line in LINES.items()}

_NAMES = """
Ada Aisha Alba Alfie Amara Amelie Anders Anika Anton Arjun Astrid Aoife Beatriz Ben Bram Caitlin
Callum Carla Chidi Clara Conor Daan Dafydd Daniela Dara David Deepa Diego Dominik Eamon Edith Elena
Eleni Elif Emeka Emil Emma Erik Esme Eva Fatima Felix Femke Finn Fiona Freya Gareth Gemma George
Giulia Greta Hana Hannah Harriet Hassan Hector Hugo Ibrahim Ida Imani Ines Ingrid Iris Isaac Ivo
Jade Jakub Jamal Jana Jasper Joanna Jonas Josefine Julia Kai Karim Katja Keira Kenji Kirsten Lars
Laszlo Layla Leah Leo Lena Liam Linnea Louis Lucia Luka Maeve Magnus Malik Mara Marek Maria Mateo
Maya Mei Mia Milan Mina Mohammed Morag Nadia Nala Naomi Niall Nico Nina Noah Nora Oisin Olga Oliver
Omar Oscar Paula Pavel Petra Philippa Priya Quentin Rafael Rania Rhys Rita Robin Rosa Ruben Ruth
Saoirse Samir Sanne Sara Sean Selin Shreya Signe Simon Sofia Stefan Sunita Svenja Tara Teo Theo
Thomas Tilda Tom Uma Ursula Vera Victor Viola Wanda Will Xenia Yara Yusuf Zahra Zoe Zofia
"""
FIRST_NAMES: tuple[str, ...] = tuple(_NAMES.split())

PLACES: dict[str, tuple[float, tuple[str, ...]]] = {
    "United Kingdom": (
        0.52,
        ("London", "Leeds", "Bristol", "Glasgow", "Cardiff", "Norwich", "Belfast", "York"),
    ),
    "Ireland": (0.11, ("Dublin", "Cork", "Galway", "Limerick")),
    "Netherlands": (0.09, ("Utrecht", "Rotterdam", "Groningen")),
    "Germany": (0.1, ("Berlin", "Leipzig", "Cologne", "Hamburg")),
    "France": (0.07, ("Lyon", "Nantes", "Paris")),
    "Sweden": (0.05, ("Malmö", "Gothenburg")),
    "Spain": (0.06, ("Valencia", "Bilbao", "Madrid")),
}
"""Country to the share of customers and its cities."""

AGE_BANDS: dict[str, float] = {
    "18-24": 0.1,
    "25-34": 0.24,
    "35-44": 0.25,
    "45-54": 0.19,
    "55-64": 0.13,
    "65+": 0.09,
}

CHANNELS: dict[str, float] = {"email": 0.62, "push": 0.23, "sms": 0.15}
"""The channel a customer prefers, and how often."""
