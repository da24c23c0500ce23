package engine

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cove/engine/listing"
	"cove/engine/machine"
	"cove/engine/uses"
	"cove/errdefs"
	"cove/events"
	"cove/layers/tree"
	"cove/volume"
)

// Volume is a volume and who uses it.
type Volume struct {
	volume.Volume
	// Path is where its files are.
	Path string
	// Users are the names of the containers that have it, running or not.
	Users []string
}

// WantedVolume is a volume to be made.
type WantedVolume = volume.Wanted

// CreateVolume makes an empty volume; one that exists is returned as it is. A
// name of "" makes one up.
func (e *Engine) CreateVolume(ctx context.Context, name string, labels map[string]string) (volume.Volume, error) {
	return e.NewVolume(ctx, volume.Wanted{Name: name, Labels: labels})
}

// NewVolume is CreateVolume of one with options of its driver, as docker's local has
// them: type, device and o. What they cannot be is errdefs.ErrInvalid.
func (e *Engine) NewVolume(ctx context.Context, o WantedVolume) (volume.Volume, error) {
	return e.parts.Volumes().Create(ctx, o, nil)
}

// VolumeFilter chooses volumes: key=value conditions, all of which must hold.
// The keys are docker's: dangling (true: no container has it), driver, label, and
// name, a regular expression; of several names or drivers one has to fit.
type VolumeFilter map[string][]string

// check refuses conditions that do not exist, with errdefs.ErrInvalid.
func (f VolumeFilter) check() error {
	for key, values := range f {
		switch key {
		case "driver", "label":
		case "name":
			for _, v := range values {
				if _, err := regexp.Compile(v); err != nil {
					return errdefs.Errorf(errdefs.ErrInvalid, "filter name=%s: %w", v, err)
				}
			}
		case "dangling":
			for _, v := range values {
				if _, err := strconv.ParseBool(v); err != nil {
					return errdefs.Errorf(errdefs.ErrInvalid, "invalid filter 'dangling=%s': want true or false", v)
				}
			}
		default:
			return errdefs.Errorf(errdefs.ErrInvalid,
				"invalid filter '%s': there are dangling, driver, label, name", key)
		}
	}
	return nil
}

func (f VolumeFilter) matches(v Volume) bool {
	named := func(pattern string) bool { return regexp.MustCompile(pattern).MatchString(v.Name) }
	if drivers, names := f["driver"], f["name"]; len(drivers) > 0 && !slices.Contains(drivers, "local") ||
		len(names) > 0 && !slices.ContainsFunc(names, named) {
		return false
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
	// Who asks for containers takes away what dead ones left, and their volumes too.
	users, err := uses.Volumes(ctx, e.parts)
	if err != nil {
		return nil, err
	}
	all, err := e.parts.Volumes().All()
	if err != nil {
		return nil, err
	}
	list := make([]Volume, 0, len(all))
	for _, v := range all {
		v := Volume{Volume: v, Path: e.parts.Volumes().Path(v.Name), Users: users[v.Name]}
		if f.matches(v) {
			list = append(list, v)
		}
	}
	return list, nil
}

// RemoveVolume deletes a volume and its files. One that a container has, even
// one that does not run, is errdefs.ErrConflict and names the containers.
func (e *Engine) RemoveVolume(ctx context.Context, name string) error {
	if err := machine.NeedRoot("removing a volume"); err != nil {
		return err
	}
	return uses.WhileNobodyBegins(ctx, e.parts, func(users map[string][]string) error {
		if err := allKnown(users); err != nil {
			return err
		}
		if u := users[name]; len(u) > 0 {
			return errdefs.Errorf(errdefs.ErrConflict, "volume %s is in use by %s; remove what uses it first", name,
				strings.Join(u, ", "))
		}
		return e.parts.Volumes().Remove(name)
	})
}

// allKnown refuses to say that nobody has a volume while a container cannot be read.
func allKnown(users map[string][]string) error {
	if u := users[uses.Unknown]; len(u) > 0 {
		return errdefs.Suggest(errdefs.Errorf(errdefs.ErrConflict,
			"container %s cannot be read, and nobody knows which volumes it has", strings.Join(u, ", ")), errdefs.RemoveForced, u[0])
	}
	return nil
}

// pruneVolumes removes the volumes that no container has: those that nobody
// named, or all of them.
func (e *Engine) pruneVolumes(ctx context.Context, o PruneOptions, p *Pruned) error {
	if !o.Volumes && !o.AllVolumes {
		return nil
	}
	goes, err := o.Filter.Test(e.parts.Now())
	if err != nil {
		return err
	}
	before := p.Freed
	defer func() { e.tell(events.Volume, p.Freed-before) }()
	return uses.WhileNobodyBegins(ctx, e.parts, func(users map[string][]string) error {
		all, err := e.parts.Volumes().All()
		if err = errors.Join(err, allKnown(users)); err != nil {
			return err
		}
		for _, v := range all {
			if v.Broken != nil || len(users[v.Name]) > 0 || v.Anonymous && len(users[""]) > 0 ||
				!v.Anonymous && !o.AllVolumes || !goes(v.Created, v.Labels) {
				continue
			}
			size, err := tree.Measure(ctx, e.parts.Volumes().Path(v.Name))
			if err == nil {
				err = e.parts.Volumes().Remove(v.Name)
			}
			if errors.Is(err, errdefs.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			p.Volumes = append(p.Volumes, v.Name)
			p.Freed += size.FileBytes
		}
		return nil
	})
}
