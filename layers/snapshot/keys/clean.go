package keys

import (
	"context"
	"errors"
	"os"

	"cove/layers/snapshot"
)

// Clean removes the directories that no record names, and the record of a
// snapshot that was killed between becoming committed and ceasing to be active.
func (s *Store) Clean(ctx context.Context) error {
	var orphans []string
	err := s.locked(func() error {
		used, active, committed := map[string]bool{}, map[string]string{}, map[string]bool{}
		for e, err := range s.All() {
			if err != nil {
				return err
			}
			used[e.ID] = true
			switch e.Kind {
			case snapshot.Active:
				active[e.ID] = e.Key
			case snapshot.Committed:
				committed[e.ID] = true
			}
		}
		for id, key := range active {
			if committed[id] {
				if err := os.Remove(s.path(key)); err != nil {
					return err
				}
			}
		}
		dirs, err := os.ReadDir(s.root)
		for _, d := range dirs {
			if d.IsDir() && len(d.Name()) == idLen && !used[d.Name()] {
				orphans = append(orphans, d.Name())
			}
		}
		return err
	})
	for _, id := range orphans {
		err = errors.Join(err, ctx.Err(), s.removeDir(id))
	}
	return err
}
