package dockerfile

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cove/builder/dockerfile/syntax"
	"cove/internal/nearest"
)

// scratch is the name of no image.
const scratch = "scratch"

// prefetch starts to resolve every image that the stage needs, so that several
// registries are asked at once. What ONBUILD adds is found later.
func (c *converter) prefetch(st *stage, seen map[*stage]bool) {
	if seen[st] {
		return
	}
	seen[st] = true
	switch {
	case st.base != nil:
		c.prefetch(st.base, seen)
	case st.image != scratch:
		c.images.Start(st.image, st.platform)
	}
	for _, name := range syntax.Froms(st.Commands) {
		if other, err := c.stageNamed(name); err == nil && other != nil {
			c.prefetch(other, seen)
		} else if _, ctx, given := c.opt.Contexts.Find(name, c.opt.Platform); err == nil && name != scratch &&
			(!given || ctx.Image != "") {
			c.images.Start(name, c.opt.Platform)
		}
	}
}

// stageNamed finds the stage that a from= names: by name or number, also one that
// stands later. No stage and no error means an image.
func (c *converter) stageNamed(name string) (*stage, error) {
	if st, ok := c.byName[strings.ToLower(name)]; ok {
		return st, nil
	}
	i, err := strconv.Atoi(name)
	if err != nil {
		return nil, nil //nolint:nilerr // not a number: the name of an image
	}
	if i < 0 || i >= len(c.stages) {
		return nil, invalid("there is no stage %d; the stages are numbered from 0 to %d", i, len(c.stages)-1)
	}
	return c.stages[i], nil
}

// hinted adds to an error about name the stage before that one, or the named context, that
// was meant by it, if one is like it.
func (c *converter) hinted(err error, name string, before int) error {
	if err == nil {
		return nil
	}
	names := slices.Collect(maps.Keys(c.opt.Contexts))
	for _, st := range c.stages[:before] {
		names = append(names, st.Name)
	}
	return fmt.Errorf("%w%s", err, nearest.Question(name, names))
}
