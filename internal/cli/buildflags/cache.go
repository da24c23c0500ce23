package buildflags

import (
	"cmp"
	"encoding/csv"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/go-units"

	"cove/engine/builds"
	"cove/errdefs"
)

// Caches reads the values of --cache-from, or of --cache-to if export says so.
func Caches(flags []string, export bool) (all []builds.Cache, err error) {
	name := "--cache-from"
	if export {
		name = "--cache-to"
	}
	for _, text := range flags {
		c, err := parseCache(text, export)
		if err != nil {
			if c.Token != "" {
				text = strings.ReplaceAll(text, c.Token, "***")
			}
			return nil, errdefs.Errorf(errdefs.KindOf(err), "%s %s: %w", name, text, err)
		}
		all = append(all, c)
	}
	return all, nil
}

// parseCache reads type=registry|local|inline|gha[,KEY=VALUE…], or the name of an image
// alone.
func parseCache(text string, export bool) (builds.Cache, error) {
	fields, err := csv.NewReader(strings.NewReader(text)).Read()
	if err != nil {
		return builds.Cache{}, errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
	}
	c := builds.Cache{Tag: "latest"}
	if len(fields) == 1 && !strings.Contains(fields[0], "=") {
		c.Type, c.Ref = builds.CacheRegistry, fields[0]
		return c, nil
	}
	for _, field := range fields {
		key, value, ok := strings.Cut(field, "=")
		if !ok || value == "" {
			return c, errdefs.Errorf(errdefs.ErrInvalid, "%q: want KEY=VALUE", field)
		}
		if err := setCache(&c, key, value, export); err != nil {
			return c, err
		}
	}
	if c.Type == builds.CacheGHA {
		c.Scope = cmp.Or(c.Scope, "cove")
	}
	return c, checkCache(c, export)
}

// CacheOf reads a cache of a type by the attributes that clients of BuildKit give.
func CacheOf(kind string, attrs map[string]string, export bool) (builds.Cache, error) {
	c := builds.Cache{Type: builds.CacheType(kind), Tag: "latest"}
	for _, key := range slices.Sorted(maps.Keys(attrs)) {
		if err := setCache(&c, key, attrs[key], export); err != nil {
			return c, err
		}
	}
	return c, checkCache(c, export)
}

// setCache reads one key.
func setCache(c *builds.Cache, key, value string, export bool) error {
	dir := "src"
	if export {
		dir = "dest"
	}
	switch {
	case key == "type":
		c.Type = builds.CacheType(value)
	case key == "ref":
		c.Ref = value
	case key == dir:
		c.Dir = value
	case key == "tag" || key == "digest" && !export:
		c.Tag = value
	case c.Type == builds.CacheGHA && setActions(c, key, value):
	case key == "mounts" || key == "mounts-quota":
		return setMounts(c, key, value)
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
func setMounts(c *builds.Cache, key, value string) (err error) {
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
func setActions(c *builds.Cache, key, value string) bool {
	switch key {
	case "scope":
		c.Scope = value
	case "url_v2":
		c.URL = value
	case "token":
		c.Token = value
	default:
		return false
	}
	return true
}

// checkCache says what is missing.
func checkCache(c builds.Cache, export bool) error {
	switch {
	case c.Type == builds.CacheRegistry && c.Ref == "":
		return errdefs.Errorf(errdefs.ErrInvalid, "type=registry needs ref=IMAGE")
	case c.Type == builds.CacheLocal && c.Dir == "" && export:
		return errdefs.Errorf(errdefs.ErrInvalid, "type=local needs dest=DIRECTORY")
	case c.Type == builds.CacheLocal && c.Dir == "":
		return errdefs.Errorf(errdefs.ErrInvalid, "type=local needs src=DIRECTORY")
	case c.Type == builds.CacheInline && !export:
		return errdefs.Errorf(errdefs.ErrInvalid, "an inline cache is imported with type=registry,ref=IMAGE")
	case c.Type == builds.CacheInline && c.Mounts:
		return errdefs.Errorf(errdefs.ErrInvalid, "type=inline has the layers of the image alone: it takes no mounts=true")
	case c.Quota > 0 && !c.Mounts:
		return errdefs.Errorf(errdefs.ErrInvalid, "mounts-quota is of mounts=true")
	case c.Type == builds.CacheInline && c.Max:
		return errdefs.Errorf(errdefs.ErrInvalid, "type=inline has the layers of the image alone: it takes no mode=max")
	case slices.Contains([]builds.CacheType{
		builds.CacheRegistry, builds.CacheLocal, builds.CacheInline, builds.CacheGHA,
	}, c.Type):
		return nil
	}
	return errdefs.Errorf(errdefs.ErrUnsupported, "type %q is not supported: want registry, local, inline or gha",
		c.Type)
}
