package containers

import (
	"context"
	"errors"
	"fmt"

	"cove/engine/listing"
	"cove/runner/record"
	"cove/runner/restart"
)

// StartOnBoot starts the containers that their restart policy wants to run when the
// machine has started, and returns their names. Those that it cannot start are named
// in the error, and keep none of the others from starting.
func (cs *Containers) StartOnBoot(ctx context.Context) (started []string, err error) {
	all, err := cs.Containers(ctx, listing.Filter{})
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		found, ferr := cs.Container(ctx, c.ID)
		if ferr != nil || c.Runs() {
			continue // removed meanwhile, or nothing to do
		}
		stopped := record.Dir(found.Dir()).Marked(record.StopMark)
		if !restart.OnBoot(c.Restart, c.State, stopped) {
			continue
		}
		if serr := found.Start(ctx); serr != nil {
			err = errors.Join(err, fmt.Errorf("container %s: %w", c.Name, serr))
			continue
		}
		started = append(started, c.Name)
	}
	return started, err
}
