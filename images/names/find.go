package names

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/errdefs"
	"cove/reference"
)

// Called is what people call a record: its short name, or its image's id.
func (r Record) Called() string {
	if ref, err := reference.Parse(r.Name); err == nil {
		return ref.Familiar()
	}
	return r.Image.String()
}

// Find looks for a name first as a whole id, then as a reference, then as the
// beginning of an id, as docker does.
func Find(all []Record, name string) (Record, error) {
	_, err := reference.ParseDigest(name)
	whole := err == nil || len(reference.Encoded(name)) == digest.SHA256.Size()*2
	var matches []Record
	for _, r := range all {
		if idMatches(r, name) && !slices.ContainsFunc(matches, func(m Record) bool { return m.Image == r.Image }) {
			matches = append(matches, r)
		}
	}
	if whole && len(matches) > 0 {
		return matches[0], nil
	}
	ref, err := reference.Parse(name)
	if err == nil {
		for _, r := range all {
			if r.Is(ref) {
				return r, nil
			}
		}
	}
	switch {
	case len(matches) == 1:
		return matches[0], nil
	case len(matches) > 1:
		var ids []string
		for _, m := range matches {
			ids = append(ids, fmt.Sprintf("%s (%s)", m.Image.Encoded()[:12], m.Called()))
		}
		return Record{}, errdefs.Errorf(errdefs.ErrInvalid,
			"image %s: is the beginning of %d ids, give more of one: %s", name, len(matches), strings.Join(ids, ", "))
	case err != nil && !whole:
		return Record{}, err
	}
	return Record{}, errdefs.Errorf(errdefs.ErrNotFound, "No such image: %s", name)
}

// idMatches reports whether a name is the beginning of a record's id, or the digest of
// what it names, with the algorithm or without.
func idMatches(r Record, name string) bool {
	id, target := r.Image.Encoded(), r.Target.Digest.Encoded()
	if strings.Contains(name, ":") {
		id, target = r.Image.String(), r.Target.Digest.String()
	}
	return name != "" && (strings.HasPrefix(id, name) || target == name)
}

// Is reports whether want names this record: by its name, or by the digest that
// it has here or at its registry.
func (r Record) Is(want reference.Reference) bool {
	if r.Name == want.String() {
		return true
	}
	have, err := reference.Parse(r.Name)
	if err != nil || want.Digest == "" || have.Name() != want.Name() {
		return false
	}
	return r.Origin == want.Digest || r.Target.Digest == want.Digest
}

// Expand replaces each name without a tag by all the tags that it has, if it has any.
func Expand(all []Record, asked []string) (out []string) {
	for _, name := range asked {
		before := len(out)
		if want, err := reference.Parse(name); err == nil && reference.IsNameOnly(name) {
			for _, r := range all {
				if have, err := reference.Parse(r.Name); err == nil && have.Tag != "" && have.Name() == want.Name() {
					out = append(out, r.Name)
				}
			}
		}
		if len(out) == before {
			out = append(out, name)
		}
	}
	return out
}

// OfIndex are the records of an index, as if they were of one of its images.
func OfIndex(all []Record, index, id digest.Digest) (of []Record) {
	for _, r := range all {
		if r.Target.Digest == index {
			r.Image = id
			of = append(of, r)
		}
	}
	return of
}
