package names

import (
	"slices"

	"github.com/opencontainers/go-digest"
)

// Move puts named records, and after each what follows for the image that has the name
// now, and for the one that had it: without a name left it is kept as one without.
// The records there are when it begins are all.
func (c *Change) Move(all []Record, named ...Record) error {
	all = slices.Clone(all)
	for _, rec := range named {
		var err error
		if all, err = c.move(all, rec); err != nil {
			return err
		}
	}
	return nil
}

// move is Move of one record; it returns the records there are then.
func (c *Change) move(all []Record, rec Record) ([]Record, error) {
	for _, r := range all {
		if r.Name == rec.Name && r.Target.Digest == rec.Target.Digest && rec.Origin == "" {
			rec.Origin = r.Origin // the registry knows it still
		}
	}
	if err := c.Put(rec); err != nil {
		return nil, err
	}
	stay := all[:0:0]
	for _, r := range all {
		var err error
		switch {
		case r.Name == "" && r.Image == rec.Image:
			err = c.Delete(r)
		case r.Name != rec.Name:
			stay = append(stay, r)
		case r.Image != rec.Image && !Named(all, r.Image, r.Name):
			nameless := Record{Target: r.Target, Image: r.Image, Updated: rec.Updated}
			stay, err = append(stay, nameless), c.Put(nameless)
		}
		if err != nil {
			return nil, err
		}
	}
	return append(stay, rec), nil
}

// Named reports whether an image has a name other than except.
func Named(all []Record, id digest.Digest, except string) bool {
	return slices.ContainsFunc(all, func(r Record) bool {
		return r.Image == id && r.Name != "" &&
			r.Name != except
	})
}
