package definition

import (
	"maps"
	"slices"
)

// Target is one build. A nil pointer, map or list was not said. It is printed as
// buildx prints it.
type Target struct {
	Name             string             `json:"-"`
	Description      string             `json:"description,omitempty"`
	Inherits         []string           `json:"inherits,omitempty"`
	Annotations      []string           `json:"annotations,omitempty"`
	Attest           []Entry            `json:"attest,omitempty"`
	Context          *string            `json:"context,omitempty"`
	Contexts         map[string]string  `json:"contexts,omitempty"`
	Dockerfile       *string            `json:"dockerfile,omitempty"`
	DockerfileInline *string            `json:"dockerfile-inline,omitempty"`
	Args             map[string]*string `json:"args,omitempty"`
	Labels           map[string]*string `json:"labels,omitempty"`
	Tags             []string           `json:"tags,omitempty"`
	CacheFrom        []Entry            `json:"cache-from,omitempty"`
	CacheTo          []Entry            `json:"cache-to,omitempty"`
	Target           *string            `json:"target,omitempty"`
	Secrets          []Entry            `json:"secret,omitempty"`
	SSH              []Entry            `json:"ssh,omitempty"`
	Platforms        []string           `json:"platforms,omitempty"`
	Outputs          []Entry            `json:"output,omitempty"`
	Pull             *bool              `json:"pull,omitempty"`
	NoCache          *bool              `json:"no-cache,omitempty"`
	Network          *string            `json:"network,omitempty"`
	NoCacheFilter    []string           `json:"no-cache-filter,omitempty"`
	ShmSize          *string            `json:"shm-size,omitempty"`
	Ulimits          []string           `json:"ulimits,omitempty"`
	Call             *string            `json:"call,omitempty"`
	Entitlements     []string           `json:"entitlements,omitempty"`
	ExtraHosts       map[string]*string `json:"extra-hosts,omitempty"`
}

// Merge puts what another target says over what this one says. Lists that say where
// something goes or what it is called are replaced, others are completed.
func (t *Target) Merge(o *Target) {
	for _, field := range []struct{ to, from **string }{
		{&t.Context, &o.Context},
		{&t.Dockerfile, &o.Dockerfile},
		{&t.DockerfileInline, &o.DockerfileInline},
		{&t.Target, &o.Target},
		{&t.Network, &o.Network},
		{&t.ShmSize, &o.ShmSize},
		{&t.Call, &o.Call},
	} {
		if *field.from != nil {
			*field.to = *field.from
		}
	}
	for _, field := range []struct{ to, from **bool }{{&t.Pull, &o.Pull}, {&t.NoCache, &o.NoCache}} {
		if *field.from != nil {
			*field.to = *field.from
		}
	}
	for _, field := range []struct{ to, from *map[string]*string }{
		{&t.Args, &o.Args}, {&t.Labels, &o.Labels}, {&t.ExtraHosts, &o.ExtraHosts},
	} {
		*field.to = mergeMap(*field.to, *field.from)
	}
	if o.Contexts != nil {
		t.Contexts = maps.Clone(t.Contexts)
		if t.Contexts == nil {
			t.Contexts = map[string]string{}
		}
		maps.Copy(t.Contexts, o.Contexts)
	}
	t.mergeLists(o)
	if o.Description != "" {
		t.Description = o.Description
	}
}

func (t *Target) mergeLists(o *Target) {
	for _, field := range []struct{ to, from *[]string }{{&t.Tags, &o.Tags}, {&t.Platforms, &o.Platforms}} {
		if *field.from != nil {
			*field.to = *field.from
		}
	}
	for _, field := range []struct{ to, from *[]Entry }{{&t.CacheTo, &o.CacheTo}, {&t.Outputs, &o.Outputs}} {
		if *field.from != nil {
			*field.to = *field.from
		}
	}
	for _, field := range []struct{ to, from *[]string }{
		{&t.Annotations, &o.Annotations},
		{&t.NoCacheFilter, &o.NoCacheFilter},
		{&t.Ulimits, &o.Ulimits},
		{&t.Entitlements, &o.Entitlements},
		{&t.Inherits, &o.Inherits},
	} {
		*field.to = slices.Concat(*field.to, *field.from)
	}
	t.CacheFrom = mergeEntries(t.CacheFrom, o.CacheFrom, Entry.text)
	t.Attest = mergeEntries(t.Attest, o.Attest, func(e Entry) string { return e.Get("type") })
	t.Secrets = mergeEntries(t.Secrets, o.Secrets, func(e Entry) string { return e.Get("id") })
	t.SSH = mergeEntries(t.SSH, o.SSH, func(e Entry) string { return e.Get("id") })
}

// mergeMap puts one map over another. A null leaves what there is.
func mergeMap(to, from map[string]*string) map[string]*string {
	if from == nil {
		return to
	}
	out := maps.Clone(to)
	for k, v := range from {
		if v == nil {
			continue
		}
		if out == nil {
			out = map[string]*string{}
		}
		out[k] = v
	}
	return out
}

// mergeEntries adds entries, in place of those with the same key.
func mergeEntries(to, from []Entry, key func(Entry) string) []Entry {
	if from == nil {
		return to
	}
	out := slices.Clone(to)
	for _, e := range from {
		i := slices.IndexFunc(out, func(have Entry) bool { return key(have) == key(e) })
		if i < 0 {
			out = append(out, e)
		} else {
			out[i] = e
		}
	}
	return out
}

// normalize leaves out what is said twice, and says what follows from the rest.
func (t *Target) normalize() {
	if t.Network != nil && *t.Network == "host" {
		t.Entitlements = append(t.Entitlements, "network.host")
	}
	for _, list := range []*[]string{
		&t.Annotations, &t.Tags, &t.Platforms, &t.NoCacheFilter, &t.Ulimits, &t.Entitlements,
	} {
		*list = Unique(*list)
	}
	for _, list := range []*[]Entry{&t.CacheFrom, &t.CacheTo, &t.Outputs} {
		*list = mergeEntries(nil, *list, Entry.text)
	}
	byID := func(e Entry) string { return e.Get("id") }
	t.Secrets, t.SSH = mergeEntries(nil, t.Secrets, byID), mergeEntries(nil, t.SSH, byID)
	t.Attest = mergeEntries(nil, t.Attest, func(e Entry) string { return e.Get("type") })
	maps.DeleteFunc(t.Contexts, func(_, v string) bool { return v == "" })
	if len(t.Contexts) == 0 {
		t.Contexts = nil
	}
}
