package frontend

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"cove/engine/builds"
	"cove/engine/builds/place"
	"cove/errdefs"
)

func cacheFrom(r *Request, text string) error {
	for ref := range strings.SplitSeq(text, ",") {
		r.Options.CacheFrom = append(r.Options.CacheFrom, builds.Cache{Type: builds.CacheRegistry, Ref: ref})
	}
	return nil
}

func cacheImports(r *Request, text string) error {
	var all []struct {
		Type  string
		Attrs map[string]string
	}
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
	}
	for _, c := range all {
		if err := r.importCache(c.Type, c.Attrs); err != nil {
			return err
		}
	}
	return nil
}

func (r *Request) importCache(kind string, attrs map[string]string) error {
	from, err := cacheOf(kind, attrs, false)
	if err != nil {
		return errdefs.Errorf(errdefs.KindOf(err), "importing a cache, type=%s: %w", kind, err)
	}
	if !slices.Contains(r.Options.CacheFrom, from) { // clients say it in more than one place
		r.Options.CacheFrom = append(r.Options.CacheFrom, from)
	}
	return nil
}

// exportCache reads one --cache-to.
func (r *Request) exportCache(kind string, attrs map[string]string) error {
	to, err := cacheOf(kind, attrs, true)
	if err != nil {
		return errdefs.Errorf(errdefs.KindOf(err), "exporting the cache, type=%s: %w", kind, err)
	}
	r.Options.CacheTo = append(r.Options.CacheTo, to)
	return nil
}

// cacheOf reads a cache. A local one is the client's, who gives its store away and keeps the tags
// itself; and so is the sign-in at the service of GitHub Actions.
func cacheOf(kind string, attrs map[string]string, export bool) (builds.Cache, error) {
	if attrs = maps.Clone(attrs); kind == string(place.Local) {
		delete(attrs, "tag")
		delete(attrs, "reset")
	}
	c, err := place.Of(kind, attrs, export)
	switch {
	case err != nil:
	case c.Type == place.Local && !export && attrs["digest"] == "":
		err = errdefs.Errorf(errdefs.ErrInvalid, "the client does not say which manifest of %s", c.Dir)
	case c.Type == place.Local:
		c.Type = place.Lent
	case c.Type == place.GHA && (c.URL == "" || c.Token == ""):
		err = errdefs.Errorf(errdefs.ErrUnsupported, "the client gives no url_v2 and token of the cache service: in a job of "+
			"GitHub Actions, an action has to hand ACTIONS_RESULTS_URL, ACTIONS_RUNTIME_TOKEN and ACTIONS_CACHE_SERVICE_V2 to "+
			"the steps that run commands; elsewhere use type=registry,ref=IMAGE")
	}
	return c, err
}
