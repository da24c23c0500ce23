package ids

import "math/rand/v2"

// RandomName makes a name up, in docker's way: an adjective and a noun.
func RandomName() string {
	return adjectives[rand.IntN(len(adjectives))] + "_" + nouns[rand.IntN(len(nouns))]
}

var adjectives = [...]string{
	"amber", "ample", "azure", "bold", "brave", "brisk", "calm", "candid", "clever", "coral", "crisp", "daring", "deft",
	"eager", "early", "fair", "fleet", "fresh", "gentle", "glad", "golden", "grand", "hardy", "hazel", "honest",
	"humble",
	"ivory", "jolly", "keen", "kind", "lively", "loyal", "lucid", "lunar", "mellow", "merry", "mild", "misty", "modest",
	"nimble", "noble", "olive", "pearly", "plucky", "polite", "proud", "quick", "quiet", "rapid", "ready", "rosy",
	"royal",
	"rustic", "sandy", "serene", "silent", "silver", "smooth", "snug", "solar", "spry", "steady", "stout", "sunny",
	"swift",
	"tender", "tidal", "tidy", "tranquil", "true", "upbeat", "vivid", "warm", "wise", "witty", "zesty",
}

var nouns = [...]string{
	"anchor", "atoll", "barnacle", "bay", "beacon", "bight", "breeze", "brig", "buoy", "canoe", "cape", "channel",
	"clam",
	"cliff", "coast", "compass", "conch", "cormorant", "crab", "creek", "current", "cutter", "delta", "dinghy", "dock",
	"dolphin", "dory", "dune", "eddy", "eel", "estuary", "fjord", "gannet", "gull", "gust", "harbor", "haven", "heron",
	"inlet", "island", "jetty", "kelp", "ketch", "lagoon", "limpet", "lobster", "manta", "marlin", "mast", "mussel",
	"narwhal",
	"oar", "osprey", "otter", "oyster", "pelican", "pier", "plover", "puffin", "quay", "reef", "rudder", "sail",
	"sandbar",
	"schooner", "seal", "shoal", "shore", "skiff", "sloop", "sound", "squid", "strait", "tern", "tide", "trawler",
	"walrus",
	"wave", "wharf", "yawl",
}
