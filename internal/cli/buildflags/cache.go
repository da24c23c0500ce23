package buildflags

import (
	"cmp"
	"encoding/csv"
	"strings"

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
		if err := c.Set(key, value, export); err != nil {
			return c, err
		}
	}
	if c.Type == builds.CacheGHA {
		c.Scope = cmp.Or(c.Scope, "cove")
	}
	return c, c.Check(export)
}
