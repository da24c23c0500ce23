// Package uses says who uses an image, a volume or a snapshot: a container, running
// or not, or a lease of whoever is about to make one. What is used is not removed.
package uses

import (
	"context"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"cove/engine/listing"
	"cove/engine/parts"
	"cove/images/removal"
	"cove/layers"
	"cove/runner/record"
)

// SnapshotKey is the snapshot that a container writes to.
func SnapshotKey(id string) string { return "container/" + id }

// Held are the live leases' refs with a prefix, without it: what somebody has
// just made, and is about to use.
func Held(ctx context.Context, p *parts.Parts, prefix string) (map[string]bool, error) {
	store, err := p.Content()
	if err != nil {
		return nil, err
	}
	keys := map[string]bool{}
	for ref, err := range store.Leased(ctx) {
		if err != nil {
			return nil, err
		}
		if key, ok := strings.CutPrefix(ref, prefix); ok {
			keys[key] = true
		}
	}
	return keys, nil
}

// ImagePrefix marks, in a lease, the id of an image that a container is being
// made from.
const ImagePrefix = "image/"

// Images maps image ids to what uses them. Leases are read first: whoever
// releases one has recorded the container before.
func Images(ctx context.Context, p *parts.Parts) (map[digest.Digest]removal.User, error) {
	held, err := Held(ctx, p, ImagePrefix)
	if err != nil {
		return nil, err
	}
	all, err := Containers(ctx, p, listing.Filter{})
	if err != nil {
		return nil, err
	}
	used := make(map[digest.Digest]removal.User, len(held)+len(all))
	for id := range held {
		used[digest.Digest(id)] = removal.User{Name: "a container that is being made"}
	}
	for _, c := range all {
		for _, id := range record.Images(c.Config) {
			if id := digest.Digest(id); !used[id].Running {
				used[id] = removal.User{Name: "container " + c.ID[:12] + " (" + c.Name + ")", Running: c.Runs()}
			}
		}
	}
	return used, nil
}

// Count counts the containers that were made from each image.
func Count(ctx context.Context, p *parts.Parts) (map[digest.Digest]int, error) {
	all, err := Containers(ctx, p, listing.Filter{})
	if err != nil {
		return nil, err
	}
	n := map[digest.Digest]int{}
	for _, c := range all {
		n[digest.Digest(c.ImageID)]++
	}
	return n, nil
}

// VolumePrefix marks a volume's name in a lease. The prefix alone is a volume
// that will be named when it is made.
const VolumePrefix = "volume/"

// Unknown, in the place of a volume's name, is whoever may have any: a container that cannot be
// read.
const Unknown = "*"

// Volumes maps the names of volumes to those of the containers that have them.
func Volumes(ctx context.Context, p *parts.Parts) (map[string][]string, error) {
	all, err := Containers(ctx, p, listing.Filter{})
	if err != nil {
		return nil, err
	}
	users := map[string][]string{}
	for _, c := range all {
		if c.Broken != nil && c.ImageID == "" {
			users[Unknown] = append(users[Unknown], c.Name)
		}
		for _, v := range record.Volumes(c.Mounts) {
			if !slices.Contains(users[v], c.Name) {
				users[v] = append(users[v], c.Name)
			}
		}
	}
	return users, nil
}

// WhileNobodyBegins calls do with who uses which volume, while no container can
// begin to use one: who makes a container holds its volumes by a lease until it
// is recorded, and no lease begins or grows meanwhile.
func WhileNobodyBegins(ctx context.Context, p *parts.Parts, do func(users map[string][]string) error) error {
	store, err := p.Content()
	if err != nil {
		return err
	}
	thaw, err := store.Freeze(ctx)
	if err != nil {
		return err
	}
	defer thaw()
	held, err := Held(ctx, p, VolumePrefix)
	if err != nil {
		return err
	}
	users, err := Volumes(ctx, p)
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

// Containers lists the containers that a filter chooses, newest first.
func Containers(ctx context.Context, p *parts.Parts, f listing.Filter) ([]listing.Container, error) {
	r, err := p.Runner()
	if err != nil {
		return nil, err
	}
	return listing.List(ctx, r, f)
}

// Layers are the images that have each layer, by all their names or else the id.
func Layers(ctx context.Context, p *parts.Parts) (map[layers.DiffID][]string, error) {
	store, err := p.Images()
	if err != nil {
		return nil, err
	}
	all, err := store.List(ctx)
	if err != nil {
		return nil, err
	}
	users := map[layers.DiffID][]string{}
	for _, img := range all {
		names := []string{img.ID.Encoded()[:12]}
		if len(img.Names) > 0 {
			names = nil
			for _, n := range img.Names {
				names = append(names, n.Familiar())
			}
		}
		had := map[layers.DiffID]bool{}
		for _, l := range img.Layers {
			if !had[l.DiffID] {
				had[l.DiffID] = true
				users[l.DiffID] = append(users[l.DiffID], names...)
			}
		}
	}
	for _, names := range users {
		slices.Sort(names) // images that were made at the same time come in any order
	}
	return users, nil
}
