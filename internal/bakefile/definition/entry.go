package definition

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"cove/errdefs"
)

// Entry is a value of several parts, as those of --output and --secret: in a file
// an object, or the text that the flag takes.
type Entry struct {
	fields []field
	// Paths are the keys or the socket of an ssh agent.
	Paths []string
}

// NewEntry is an entry of keys and their values, by turns.
func NewEntry(pairs ...string) (e Entry) {
	for i := 0; i+1 < len(pairs); i += 2 {
		e.fields = append(e.fields, field{pairs[i], pairs[i+1]})
	}
	return e
}

// Empty says whether it has no key.
func (e Entry) Empty() bool { return len(e.fields) == 0 }

type field struct{ key, value string }

// Get is the value of a key, "" without one.
func (e Entry) Get(key string) string {
	for _, f := range e.fields {
		if f.key == key {
			return f.value
		}
	}
	return ""
}

// Set gives a key its value, in place of one that it has.
func (e *Entry) Set(key, value string) {
	e.fields = slices.Clone(e.fields)
	for i, f := range e.fields {
		if f.key == key {
			e.fields[i].value = value
			return
		}
	}
	e.fields = append(e.fields, field{key, value})
}

// text is equal for entries that mean the same.
func (e Entry) text() string {
	sorted := slices.Clone(e.fields)
	slices.SortFunc(sorted, func(a, b field) int { return strings.Compare(a.key, b.key) })
	return Entry{fields: sorted, Paths: e.Paths}.Flag()
}

// Flag is the entry as the flag takes it: KEY=VALUE,…, or ID=PATH,… of an agent.
func (e Entry) Flag() string {
	if len(e.fields) == 1 && e.fields[0].key == "id" && e.Paths != nil {
		if len(e.Paths) == 0 {
			return e.fields[0].value
		}
		return e.fields[0].value + "=" + strings.Join(e.Paths, ",")
	}
	parts := make([]string, len(e.fields))
	for i, f := range e.fields {
		parts[i] = f.key + "=" + f.value
	}
	var buf bytes.Buffer
	w := csv.NewWriter(&buf)
	_ = w.Write(parts) // to memory
	w.Flush()
	return strings.TrimSuffix(buf.String(), "\n")
}

// Flags are several of them.
func Flags(entries []Entry) (all []string) {
	for _, e := range entries {
		all = append(all, e.Flag())
	}
	return all
}

// MarshalJSON prints an object: a secret's and an agent's id first, and else in the
// order of the keys.
func (e Entry) MarshalJSON() ([]byte, error) {
	fields := slices.Clone(e.fields)
	if e.Get("id") == "" {
		slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.key, b.key) })
	}
	var buf bytes.Buffer
	for _, f := range fields {
		var value any = f.value
		if f.key == "disabled" {
			value, _ = strconv.ParseBool(f.value)
		}
		if err := appendField(&buf, f.key, value); err != nil {
			return nil, err
		}
	}
	if len(e.Paths) > 0 {
		if err := appendField(&buf, "paths", e.Paths); err != nil {
			return nil, err
		}
	}
	return []byte("{" + buf.String() + "}"), nil
}

func appendField(buf *bytes.Buffer, key string, value any) error {
	k, err := json.Marshal(key)
	if err != nil {
		return err
	}
	v, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if buf.Len() > 0 {
		buf.WriteByte(',')
	}
	buf.Write(k)
	buf.WriteByte(':')
	buf.Write(v)
	return nil
}

// EntryKind says how a text becomes an entry.
type EntryKind int

// The kinds of entries.
const (
	CacheEntry EntryKind = iota
	OutputEntry
	SecretEntry
	AgentEntry
	AttestEntry
)

// ParseEntry reads what a flag takes.
func ParseEntry(kind EntryKind, text string) (e Entry, err error) {
	if kind == AgentEntry {
		id, paths, given := strings.Cut(text, "=")
		e = Entry{fields: []field{{"id", id}}, Paths: []string{}}
		if given {
			e.Paths = strings.Split(paths, ",")
		}
		return e, nil
	}
	parts, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return e, errdefs.Errorf(errdefs.ErrInvalid, "%q: %w", text, err)
	}
	if len(parts) == 1 && !strings.Contains(text, "=") {
		switch {
		case kind == CacheEntry:
			return Entry{fields: []field{{"type", "registry"}, {"ref", text}}}, nil
		case kind == OutputEntry && text == "-":
			return Entry{fields: []field{{"type", "tar"}, {"dest", "-"}}}, nil
		case kind == OutputEntry:
			return Entry{fields: []field{{"type", "local"}, {"dest", text}}}, nil
		}
	}
	for _, part := range parts {
		k, v, ok := strings.Cut(part, "=")
		if !ok {
			return e, errdefs.Errorf(errdefs.ErrInvalid, "%q: want KEY=VALUE", part)
		}
		if kind == SecretEntry && k == "source" {
			k = "src"
		}
		e.fields = append(e.fields, field{strings.ToLower(strings.TrimSpace(k)), v})
	}
	return e, nil
}

// ParseEntries reads several of them; what is empty is left out.
func ParseEntries(kind EntryKind, texts []string) ([]Entry, error) {
	all := make([]Entry, 0, len(texts))
	for _, text := range texts {
		if text == "" {
			continue
		}
		e, err := ParseEntry(kind, text)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// ParseAttest reads what --provenance and --sbom take: true, false, or KEY=VALUE,….
func ParseAttest(kind, value string) (Entry, error) {
	switch value {
	case "true", "1":
		return NewEntry("type", kind), nil
	case "false", "0":
		return NewEntry("type", kind, "disabled", "true"), nil
	}
	return ParseEntry(AttestEntry, "type="+kind+","+value)
}
