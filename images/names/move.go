package names

import (
	"slices"

	"github.com/opencontainers/go-digest"
)

// Move puts a named record, and after it what follows for the image that has the name
// now, and for the one that had it: without a name left it is kept as one without.
func (c *Change) Move(all []Record, rec Record) error {
	for _, r := range all {
		if r.Name == rec.Name && r.Target.Digest == rec.Target.Digest && rec.Origin == "" {
			rec.Origin = r.Origin // the registry knows it still
		}
	}
	if err := c.Put(rec); err != nil {
		return err
	}
	for _, r := range all {
		var err error
		switch {
		case r.Name == "" && r.Image == rec.Image:
			err = c.Delete(r)
		case r.Name == rec.Name && r.Image != rec.Image && !Named(all, r.Image, r.Name):
			err = c.Put(Record{Target: r.Target, Image: r.Image, Updated: rec.Updated})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Named reports whether an image has a name other than except.
func Named(all []Record, id digest.Digest, except string) bool {
	return slices.ContainsFunc(all, func(r Record) bool {
		return r.Image == id && r.Name != "" &&
			r.Name != except
	})
}
