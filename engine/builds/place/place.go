// Package place says where a build cache is, elsewhere than here, in buildx's words.
package place

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"cove/builder/remotecache"
	"cove/engine/builds/lent"
	"cove/errdefs"
)

// Type is a kind of place for a build cache.
type Type string

// The types of caches, by buildx's names.
const (
	// Registry is an image of a registry, Local an OCI layout in a directory, Inline the
	// image itself.
	Registry Type = "registry"
	Local    Type = "local"
	Inline   Type = "inline"
	// GHA is the cache service of GitHub Actions.
	GHA Type = "gha"
	// Lent is a local one of the client of an API, which its words are not for: whoever serves
	// that puts the client's store in its place, and no directory of this machine.
	Lent Type = "lent"
)

// Cache is a place to import a build cache from, or to export it to.
type Cache struct {
	Type Type
	// Ref is the image of a registry; Dir and Tag, which may be a digest, are of a
	// local one.
	Ref, Dir, Tag string
	// Store is a client's, of Lent.
	Store *lent.End
	// Max exports what every step made; IgnoreError lets the build succeed without
	// the export.
	Max, IgnoreError bool
	// Scope tells caches of GitHub Actions apart; URL and Token are the service's where
	// they are not those of the job.
	Scope, URL, Token string
	// Mounts has cache mounts travel too, of at most Quota bytes each; 0 is a default.
	Mounts bool
	Quota  int64
}

// Name is what people see.
func (c Cache) Name() string {
	switch c.Type {
	case Local, Lent:
		return c.Dir
	case GHA:
		return "GitHub Actions, scope " + c.Scope
	}
	return c.Ref
}

// MountsQuota bounds the cache mounts that travel.
func (c Cache) MountsQuota() int64 { return cmp.Or(c.Quota, remotecache.DefaultQuota) }

// Of reads a cache of a type by its attributes.
func Of(kind string, attrs map[string]string, export bool) (Cache, error) {
	c := Cache{Type: Type(kind), Tag: "latest"}
	for _, key := range slices.Sorted(maps.Keys(attrs)) {
		if err := c.Set(key, attrs[key], export); err != nil {
			return c, err
		}
	}
	return c, c.Check(export)
}

// Set reads one attribute, by buildx's name; export says that the cache is written to.
func (c *Cache) Set(key, value string, export bool) error {
	dir := "src"
	if export {
		dir = "dest"
	}
	switch {
	case key == "type":
		c.Type = Type(value)
	case key == "ref":
		c.Ref = value
	case key == dir:
		c.Dir = value
	case key == "tag" || key == "digest" && !export:
		c.Tag = value
	case c.Type == GHA && c.setActions(key, value):
	case export && strings.Contains(key, "compression"):
		return errdefs.Errorf(errdefs.ErrUnsupported, "%s is not supported: the layers of a cache are packed as those "+
			"of the image, whose output asks for that: type=image,%s=%s", key, key, value)
	case key == "mounts" || key == "mounts-quota":
		return c.setMounts(key, value)
	case key == "mode" && export && (value == "min" || value == "max"):
		c.Max = value == "max"
	case key == "mode" && export:
		return errdefs.Errorf(errdefs.ErrInvalid, "mode=%s: want min or max", value)
	case export && (key == "ignore-error" || key == "image-manifest" || key == "oci-mediatypes"):
		on, err := strconv.ParseBool(value)
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "%s=%s: want true or false", key, value)
		}
		if key == "ignore-error" {
			c.IgnoreError = on
		} else if !on {
			return errdefs.Errorf(errdefs.ErrUnsupported, "%s=false is not supported", key)
		}
	default:
		return errdefs.Errorf(errdefs.ErrUnsupported, "%s is not supported", key)
	}
	return nil
}

// setMounts reads whether cache mounts travel, and how large they may be.
func (c *Cache) setMounts(key, value string) (err error) {
	if key == "mounts" {
		c.Mounts, err = strconv.ParseBool(value)
	} else if c.Quota, err = units.RAMInBytes(value); err == nil && c.Quota <= 0 {
		err = strconv.ErrRange
	}
	if err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "%s=%s: want mounts=true or false, mounts-quota=SIZE", key, value)
	}
	return nil
}

// setActions reads a key of type=gha alone.
func (c *Cache) setActions(key, value string) bool {
	switch key {
	case "scope":
		c.Scope = value
	case "url_v2":
		c.URL = value
	case "token":
		c.Token = value
	case "repository", "ghtoken": // by which BuildKit asks GitHub beforehand what there is
	case "version":
		return value == "2"
	case "url": // of the first protocol, which nobody has any more
		return c.URL != ""
	default:
		return false
	}
	return true
}

// Check says what is missing.
func (c Cache) Check(export bool) error {
	switch {
	case c.Type == Registry && c.Ref == "":
		return errdefs.Errorf(errdefs.ErrInvalid, "type=registry needs ref=IMAGE")
	case c.Type == Local && c.Dir == "" && export:
		return errdefs.Errorf(errdefs.ErrInvalid, "type=local needs dest=DIRECTORY")
	case c.Type == Local && c.Dir == "":
		return errdefs.Errorf(errdefs.ErrInvalid, "type=local needs src=DIRECTORY")
	case c.Type == Inline && !export:
		return errdefs.Errorf(errdefs.ErrInvalid, "an inline cache is imported with type=registry,ref=IMAGE")
	case c.Type == Inline && c.Mounts:
		return errdefs.Errorf(errdefs.ErrInvalid, "type=inline has the layers of the image alone: it takes no mounts=true")
	case c.Quota > 0 && !c.Mounts:
		return errdefs.Errorf(errdefs.ErrInvalid, "mounts-quota is of mounts=true")
	case c.Type == Inline && c.Max:
		return errdefs.Errorf(errdefs.ErrInvalid, "type=inline has the layers of the image alone: it takes no mode=max")
	case slices.Contains([]Type{
		Registry, Local, Inline, GHA,
	}, c.Type):
		return nil
	}
	return errdefs.Errorf(errdefs.ErrUnsupported, "type %q is not supported: want registry, local, inline or gha",
		c.Type)
}
