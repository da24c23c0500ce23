package definition

// The attributes of a target by the names that they have in a file, sorted by what
// they are. Each function says where the target keeps it.
var (
	// Words are those of one word.
	Words = map[string]func(t *Target) **string{
		"context":           func(t *Target) **string { return &t.Context },
		"dockerfile":        func(t *Target) **string { return &t.Dockerfile },
		"dockerfile-inline": func(t *Target) **string { return &t.DockerfileInline },
		"target":            func(t *Target) **string { return &t.Target },
		"call":              func(t *Target) **string { return &t.Call },
		"network":           func(t *Target) **string { return &t.Network },
		"shm-size":          func(t *Target) **string { return &t.ShmSize },
	}
	// Switches are those that are true or false.
	Switches = map[string]func(t *Target) **bool{
		"no-cache": func(t *Target) **bool { return &t.NoCache },
		"pull":     func(t *Target) **bool { return &t.Pull },
	}
	// Maps are those with keys, of which nil has no value.
	Maps = map[string]func(t *Target) *map[string]*string{
		"args":        func(t *Target) *map[string]*string { return &t.Args },
		"labels":      func(t *Target) *map[string]*string { return &t.Labels },
		"extra-hosts": func(t *Target) *map[string]*string { return &t.ExtraHosts },
	}
	// Lists are those of several words.
	Lists = map[string]func(t *Target) *[]string{
		"inherits":        func(t *Target) *[]string { return &t.Inherits },
		"tags":            func(t *Target) *[]string { return &t.Tags },
		"platforms":       func(t *Target) *[]string { return &t.Platforms },
		"no-cache-filter": func(t *Target) *[]string { return &t.NoCacheFilter },
		"ulimits":         func(t *Target) *[]string { return &t.Ulimits },
		"entitlements":    func(t *Target) *[]string { return &t.Entitlements },
		"annotations":     func(t *Target) *[]string { return &t.Annotations },
	}
	// Entries are lists of what has several parts.
	Entries = map[string]EntryList{
		"cache-from": {CacheEntry, func(t *Target) *[]Entry { return &t.CacheFrom }},
		"cache-to":   {CacheEntry, func(t *Target) *[]Entry { return &t.CacheTo }},
		"output":     {OutputEntry, func(t *Target) *[]Entry { return &t.Outputs }},
		"secret":     {SecretEntry, func(t *Target) *[]Entry { return &t.Secrets }},
		"ssh":        {AgentEntry, func(t *Target) *[]Entry { return &t.SSH }},
		"attest":     {AttestEntry, func(t *Target) *[]Entry { return &t.Attest }},
	}
)

// EntryList is an attribute of entries.
type EntryList struct {
	// Kind says what a text among them means.
	Kind EntryKind
	In   func(t *Target) *[]Entry
}
