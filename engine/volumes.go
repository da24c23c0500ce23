package engine

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"cove/engine/listing"
	"cove/engine/machine"
	"cove/errdefs"
	"cove/layers/tree"
	"cove/runner/record"
	"cove/volume"
)

// volumePrefix marks a volume's name in a lease. The prefix alone is a volume
// that will be named when it is made.
const volumePrefix = "volume/"

// Volume is a volume and who uses it.
type Volume struct {
	volume.Volume
	// Path is where its files are.
	Path string
	// Users are the names of the containers that have it, running or not.
	Users []string
}

func (e *Engine) volumes() *volume.Store { return volume.Open(e.cfg.Root) }

// CreateVolume makes an empty volume; one that exists is returned as it is. A
// name of "" makes one up.
func (e *Engine) CreateVolume(ctx context.Context, name string, labels map[string]string) (volume.Volume, error) {
	return e.volumes().Create(ctx, name, labels, nil)
}

// VolumeFilter chooses volumes: key=value conditions, all of which must hold.
// The keys are docker's: dangling (true: no container has it), label, name.
type VolumeFilter map[string][]string

// check refuses conditions that do not exist, with errdefs.ErrInvalid.
func (f VolumeFilter) check() error {
	for key, values := range f {
		switch key {
		case "name", "label":
		case "dangling":
			for _, v := range values {
				if _, err := strconv.ParseBool(v); err != nil {
					return errdefs.Errorf(errdefs.ErrInvalid, "filter dangling=%s: want true or false", v)
				}
			}
		default:
			return errdefs.Errorf(errdefs.ErrInvalid,
				"filter %s: there is no such filter; there are dangling, label, name", key)
		}
	}
	return nil
}

func (f VolumeFilter) matches(v Volume) bool {
	for _, name := range f["name"] {
		if !strings.Contains(v.Name, name) {
			return false
		}
	}
	for _, label := range f["label"] {
		if !listing.HasLabel(v.Labels, label) {
			return false
		}
	}
	for _, dangling := range f["dangling"] {
		if want, _ := strconv.ParseBool(dangling); want != (len(v.Users) == 0) {
			return false
		}
	}
	return true
}

// Volumes lists volumes by name.
func (e *Engine) Volumes(ctx context.Context, f VolumeFilter) ([]Volume, error) {
	if err := f.check(); err != nil {
		return nil, err
	}
	all, err := e.volumes().All()
	if err != nil {
		return nil, err
	}
	users, err := e.volumeUsers(ctx)
	if err != nil {
		return nil, err
	}
	list := make([]Volume, 0, len(all))
	for _, v := range all {
		v := Volume{Volume: v, Path: e.volumes().Path(v.Name), Users: users[v.Name]}
		if f.matches(v) {
			list = append(list, v)
		}
	}
	return list, nil
}

func (e *Engine) volumeUsers(ctx context.Context) (map[string][]string, error) {
	all, err := e.Containers(ctx, listing.Filter{})
	if err != nil {
		return nil, err
	}
	users := map[string][]string{}
	for _, c := range all {
		for _, v := range record.Volumes(c.Mounts) {
			if !slices.Contains(users[v], c.Name) {
				users[v] = append(users[v], c.Name)
			}
		}
	}
	return users, nil
}

// RemoveVolume deletes a volume and its files. One that a container has, even
// one that does not run, is errdefs.ErrConflict and names the containers.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	if err := machine.NeedRoot("removing a volume"); err != nil {
		return err
	}
	return e.unusedVolumes(ctx, func(users map[string][]string) error {
		if u := users[name]; len(u) > 0 {
			return errdefs.Errorf(errdefs.ErrConflict, "volume %s is in use by %s; remove what uses it first", name,
				strings.Join(u, ", "))
		}
		return e.volumes().Remove(name)
	})
}

// unusedVolumes calls do with who uses which volume, while no container can
// begin to use one: who makes a container holds its volumes by a lease until it
// is recorded, and no lease begins or grows meanwhile.
func (e *Engine) unusedVolumes(ctx context.Context, do func(users map[string][]string) error) error {
	store, err := e.content()
	if err != nil {
		return err
	}
	thaw, err := store.Freeze(ctx)
	if err != nil {
		return err
	}
	defer thaw()
	held, err := e.held(ctx, volumePrefix)
	if err != nil {
		return err
	}
	users, err := e.volumeUsers(ctx)
	if err != nil {
		return err
	}
	for name := range held {
		if len(users[name]) == 0 {
			users[name] = []string{"a container that is being made"}
		}
	}
	return do(users)
}

// pruneVolumes removes the volumes that no container has: those that nobody
// named, or all of them.
func (e *Engine) pruneVolumes(ctx context.Context, named bool, p *Pruned) error {
	return e.unusedVolumes(ctx, func(users map[string][]string) error {
		all, err := e.volumes().All()
		if err != nil {
			return err
		}
		for _, v := range all {
			if len(users[v.Name]) > 0 || v.Anonymous && len(users[""]) > 0 || !v.Anonymous && !named {
				continue
			}
			size, err := tree.Measure(ctx, e.volumes().Path(v.Name))
			if err == nil {
				err = e.volumes().Remove(v.Name)
			}
			if errors.Is(err, errdefs.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			p.Volumes = append(p.Volumes, v.Name)
			p.Freed += size.Bytes
		}
		return nil
	})
}
