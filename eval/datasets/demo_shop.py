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
            "For hikers on hill paths and mountain days.",
            "Made for hill walking and long hikes.",
            "For ramblers, hikers and anyone with a summit in mind.",
        ),
        query_words=(
            "people who go walking in the mountains",
            "long treks over hills and moorland trails",
        ),
    ),
    "cooking": Line(
        category="Kitchen & Table",
        makers=("Marrow & Rye", "Saltgate Kitchen"),
        closings=(
            "For home cooks who cook most nights.",
            "For cooking and baking at home.",
            "For keen cooks and their kitchens.",
        ),
        query_words=(
            "people who enjoy preparing meals from scratch",
            "trying new recipes and making delicious food",
        ),
    ),
    "yoga": Line(
        category="Body & Mind",
        makers=("Stillwater Studio", "Prana & Pine"),
        closings=(
            "For yoga at home or in the studio.",
            "For your yoga practice, from first poses to long holds.",
            "For yogis and their daily yoga practice.",
        ),
        query_words=(
            "people who practise poses, stretching and breathing",
            "stretching and balance poses on the floor",
        ),
    ),
    "gaming": Line(
        category="Games & Electronics",
        makers=("Second Quest", "Pixel Harbour"),
        closings=(
            "For gamers and their long game nights.",
            "For gaming on screens and around tables.",
            "For players of video games and board games.",
        ),
        query_words=(
            "people who play video games",
            "console and multiplayer fans",
        ),
    ),
    "music": Line(
        category="Books & Music",
        makers=("Halfnote", "Corriebrook"),
        closings=(
            "For musicians and music lovers.",
            "For making music at home, and listening to it closely.",
            "For people who play, sing or listen to music.",
        ),
        query_words=(
            "people who listen to songs and play instruments",
            "fans of melodies and live bands",
        ),
    ),
    "travel": Line(
        category="On the Move",
        makers=("Meridian Row", "Port & Platform"),
        closings=(
            "For travellers on holiday, or on the way there.",
            "For trips abroad by plane, train and ferry.",
            "For travel and holidays far from home.",
        ),
        query_words=(
            "people who take trips abroad",
            "holidays, flights and hotels",
        ),
    ),
    "photography": Line(
        category="Camera & Studio",
        makers=("Aperture Lane", "Silverhalide Works"),
        closings=(
            "For photographers and the pictures they take.",
            "For taking photographs, on film or digital.",
            "For photography, from the first shot to the print.",
        ),
        query_words=(
            "people who take pictures",
            "shooting images through a good lens",
        ),
    ),
    "gardening": Line(
        category="Garden & Allotment",
        makers=("Nettle & Loam", "Applegarth"),
        closings=(
            "For gardeners who grow flowers, herbs and greens.",
            "For gardening in beds, borders and pots of plants.",
            "For a garden full of flowers and growing things.",
        ),
        query_words=(
            "people who love growing plants and vegetables",
            "green-fingered folk pottering in the garden",
        ),
    ),
    "fitness": Line(
        category="Sport & Training",
        makers=("Ironmoor", "Tempo Yard"),
        closings=(
            "For workouts at home or in the gym.",
            "For getting fitter and stronger, one workout at a time.",
            "For people who train hard, in the gym or the bedroom.",
        ),
        query_words=(
            "people who lift weights at the gym",
            "strength training and exercise",
        ),
    ),
    "reading": Line(
        category="Books & Music",
        makers=("Lamplight Press", "Quire & Quill"),
        closings=(
            "For readers with a pile of books beside the bed.",
            "For book lovers and quiet hours of reading.",
            "For people who read novels to the last page.",
        ),
        query_words=(
            "people who enjoy novels and literature",
            "bookworms and lovers of literature",
        ),
    ),
    "cycling": Line(
        category="On the Move",
        makers=("Freewheel Forge", "Tarmac & Thyme"),
        closings=(
            "For cyclists on lanes, paths and city streets.",
            "For cycling to work, or nowhere in particular.",
            "For cyclists and their bicycles, in all weathers.",
        ),
        query_words=(
            "people who ride a bicycle",
            "pedalling cyclists on the road",
        ),
    ),
    "technology": Line(
        category="Games & Electronics",
        makers=("Plainwire", "Ohm & Oak"),
        closings=(
            "Technology for people who like a clever device.",
            "For gadget lovers, and homes full of electronics.",
            "Clever electronics for people who like new technology.",
        ),
        query_words=(
            "people who are keen on gadgets and electronics",
            "computers and smart devices",
        ),
    ),
    "parenting": Line(
        category="Family & Pets",
        makers=("Little Wren", "Cradle & Kite"),
        closings=(
            "For parents of babies and toddlers.",
            "For new parents and small children.",
            "For the nursery, the baby and tired parents.",
        ),
        query_words=(
            "people raising babies and toddlers",
            "mums and dads with young children",
        ),
    ),
    "pets": Line(
        category="Family & Pets",
        makers=("Muddy Paw", "Whisker & Wag"),
        closings=(
            "For dogs, cats and the people they own.",
            "For pet owners and a happy animal.",
            "For pets: dogs, cats and smaller friends.",
        ),
        query_words=(
            "people who have a dog or a cat",
            "owners of furry companions",
        ),
    ),
    "fashion": Line(
        category="Clothing & Accessories",
        makers=("Ashdown Row", "Velour & Twill"),
        closings=(
            "For a stylish wardrobe, worn for years.",
            "Fashion for people who enjoy getting dressed.",
            "For dressing well, in fashion and out of it.",
        ),
        query_words=(
            "people who love stylish clothing and outfits",
            "elegant apparel for a modern closet",
        ),
    ),
    "wellness": Line(
        category="Body & Mind",
        makers=("Hush & Heather", "Slow Tide"),
        closings=(
            "For relaxation, rest and a good night's sleep.",
            "For self-care, calm and winding down at home.",
            "For relaxing evenings and deep sleep.",
        ),
        query_words=(
            "people who want to relax and sleep better",
            "calm, pampering and relief from stress",
        ),
    ),
    "sustainability": Line(
        category="Low-Waste Home",
        makers=("Second Harvest Goods", "Lasting Works"),
        closings=(
            "For a zero-waste home, kind to the environment.",
            "An eco-friendly swap: reusable, with less plastic.",
            "For sustainable living with less waste.",
        ),
        query_words=(
            "people who avoid plastic and waste",
            "eco-friendly shopping without plastic",
        ),
    ),
    "football": Line(
        category="Sport & Training",
        makers=("Touchline", "Kop & Corner"),
        closings=(
            "For football players, coaches and the touchline crowd.",
            "For football matches on Sunday mornings.",
            "For the football pitch, in any weather.",
        ),
        query_words=(
            "people who follow soccer matches",
            "strikers, defenders and midfielders",
        ),
    ),
    "art": Line(
        category="Camera & Studio",
        makers=("Ochre & Umber", "Garret Studio"),
        closings=(
            "For painters, printmakers and people who draw.",
            "For artists, at the easel or the kitchen table.",
            "For drawing and painting, beginning or long begun.",
        ),
        query_words=(
            "people who paint and draw",
            "painting and sketching as a creative hobby",
        ),
    ),
    "camping": Line(
        category="Trail & Camp",
        makers=("Ember & Guy", "Long Meadow"),
        closings=(
            "For camping trips and nights under canvas.",
            "For campers at the campsite, with a car or without.",
            "For camping, from pitching the tent to the last ember.",
        ),
        query_words=(
            "campers who spend nights outdoors",
            "campsites in the wilderness",
        ),
    ),
}

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
