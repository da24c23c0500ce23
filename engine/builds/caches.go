package builds

import (
	"errors"
	"os"
	"slices"

	"cove/builder/remotecache"
	"cove/builder/remotecache/gha"
	"cove/distribution/copy"
	"cove/distribution/copy/layout"
	"cove/engine/builds/place"
	"cove/errdefs"
	"cove/images/remote/linked"
	_ "cove/internal/strictyaml/late/linked" // configuration of registries, files of devices
	"cove/reference"
)

// caches opens the ends of the options' caches, and returns what closes them.
func caches(e Engine, o *Options) (closeAll func() error, err error) {
	var open []*layout.Dir
	closeAll = func() (err error) {
		for _, d := range open {
			err = errors.Join(err, d.Close())
		}
		return err
	}
	for _, c := range slices.Concat(o.CacheFrom, o.CacheTo) {
		if c.Type == place.Lent && c.Store == nil {
			return closeAll, errdefs.Errorf(errdefs.ErrInvalid, "cache %s: nobody lends a store for it", c.Dir)
		}
	}
	if open, err = cachesFrom(e, o); err != nil {
		return closeAll, err
	}
	for _, c := range o.CacheTo {
		to := remotecache.To{
			Name: c.Name(), Tag: c.Tag, Max: c.Max, IgnoreError: c.IgnoreError,
			Mounts: c.Mounts, Quota: c.MountsQuota(),
		}
		switch c.Type {
		case place.Inline:
			o.InlineCache = true
			continue
		case place.Local:
			d, err := layout.Create(c.Dir)
			if err != nil {
				return closeAll, err
			}
			open, to.Target = append(open, d), d
		case place.Lent:
			to.Target = c.Store
		case place.GHA:
			if to.Target, err = actions(c); err != nil {
				return closeAll, err
			}
		default:
			var remote *copy.Remote
			if remote, to.Tag, err = remoteCache(e, c.Ref); err != nil {
				return closeAll, err
			}
			to.Target = remote
		}
		o.Request.CacheTo = append(o.Request.CacheTo, to)
	}
	return closeAll, nil
}

// cachesFrom opens those to import, and returns the directories among them.
func cachesFrom(e Engine, o *Options) (open []*layout.Dir, err error) {
	for _, c := range o.CacheFrom {
		from := remotecache.From{Name: c.Name(), Ref: c.Tag, Mounts: c.Mounts, Quota: c.MountsQuota()}
		switch c.Type {
		case place.Lent:
			from.Source = c.Store
		case place.GHA:
			if from.Source, err = actions(c); err != nil {
				return open, err
			}
		case place.Local:
			d, err := layout.Open(c.Dir)
			if errors.Is(err, errdefs.ErrNotFound) {
				continue // the first build has none
			}
			if err != nil {
				return open, err
			}
			open, from.Source = append(open, d), d
		default:
			var remote *copy.Remote
			if remote, from.Ref, err = remoteCache(e, c.Ref); err != nil {
				return open, err
			}
			from.Source = remote
		}
		o.Request.CacheFrom = append(o.Request.CacheFrom, from)
	}
	return open, nil
}

// remoteCache is the repository of a cache at a registry, and its tag or digest.
func remoteCache(e Engine, name string) (*copy.Remote, string, error) {
	ref, err := reference.Parse(name)
	if err != nil {
		return nil, "", err
	}
	registry, err := e.Registry()
	if err != nil {
		return nil, "", err
	}
	return &copy.Remote{Repo: linked.Client(registry).Repository(ref.Registry, ref.Repository)}, ref.Object(), nil
}

// actions is the cache service of GitHub Actions.
func actions(c Cache) (*gha.Service, error) {
	cfg, err := gha.FromEnvironment(gha.Config{URL: c.URL, Token: c.Token, Scope: c.Scope}, os.Getenv)
	if err != nil {
		return nil, err
	}
	return gha.New(cfg), nil
}
