package serving

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/bench/asker"
	"cove/bench/lab"
	"cove/bench/peers"
)

const (
	manyTags  = 100_000
	manyRepos = 2_000
	referrers = 1_000
)

// crowded are registries with many tags and repositories. The peers serve one storage, which
// is written as theirs is; ours takes it over.
func crowded() []*registry { return plain(" with many tags", 5141)[:3] }

// Pages that begin in the middle.
var (
	tagsPage  = fmt.Sprintf("/v2/many/tags/tags/list?n=100&last=t%06d", manyTags/2)
	reposPage = fmt.Sprintf("/v2/_catalog?n=100&last=many/r%05d", manyRepos/2)
)

// lists are pages out of much.
func lists() []lab.Row {
	all := crowded()
	tags := lab.Row{
		Name: "registry: a page of 100 tags in the middle of 100,000, 4 clients, p50", Rounds: 3,
		Note: "the peers' storage lies in memory, ours on the disk.",
	}
	repos := lab.Row{Name: "registry: a page of 100 repositories in the middle of 2,000, 4 clients, p50", Rounds: 3}
	for _, r := range all {
		tags.In = append(tags.In, asking(tagsPage).contender(r, false, r.crowd()))
		repos.In = append(repos.In, asking(reposPage).contender(r, false, r.crowd()))
	}
	repos.After = removed(all)
	return []lab.Row{referring(), tags, repos}
}

// asking is four clients who ask for one address.
func asking(path string) load {
	return load{clients: 4, each: 5, prepare: func() work {
		return func(ctx context.Context, c *asker.Client, _ int) error {
			_, err := c.Do(ctx, asker.Call{Method: http.MethodGet, Path: path})
			return err
		}
	}}
}

// crowd needs the registry with much in it.
func (r *registry) crowd() lab.Need {
	return lab.Need{Name: r.name + r.use, Do: func(ctx context.Context, l *lab.Lab) error {
		if err := l.Prepare(ctx, tree); err != nil {
			return err
		}
		served := peers.Served{Kind: r.name, Address: r.address, Folder: r.folder(l)}
		if r.name != peers.Cove {
			// The name of the folder is that of the server.
			served.Folder = filepath.Join(l.Work, treeDir, r.name)
		} else if err := r.takeOver(ctx, l, served); err != nil {
			return err
		}
		s, err := peers.Registry(l, served)
		if err != nil {
			return err
		}
		r.pid, r.client = s.PID(), &asker.Client{Base: "http://" + r.address}
		return nil
	}}
}

// takeOver has ours import the storage of the peers: it is started once, and stopped.
func (r *registry) takeOver(ctx context.Context, l *lab.Lab, served peers.Served) error {
	s, err := peers.Registry(l, served)
	if err != nil {
		return err
	}
	s.Stop()
	out, err := l.In(ctx, peers.Program(l, r.name), "import", filepath.Join(l.Work, treeDir, "storage"),
		"--root", served.Folder).CombinedOutput()
	if err != nil {
		return fmt.Errorf("import: %w: %s", err, out)
	}
	return nil
}

const treeDir = "many"

// tree needs the storage of a registry of distribution's kind, under a name for each.
var tree = lab.Need{Name: "a storage with many tags", Do: func(_ context.Context, l *lab.Lab) error {
	dir := filepath.Join(l.Work, treeDir)
	s := storage{filepath.Join(dir, "storage", "docker/registry/v2")}
	if err := s.fill(); err != nil {
		return err
	}
	l.AfterServers(func(context.Context, *lab.Lab) error { return os.RemoveAll(dir) })
	return errors.Join(os.Symlink("storage", filepath.Join(dir, peers.DockerRegistry)),
		os.Symlink("storage", filepath.Join(dir, peers.Distribution)))
}}

// storage is a folder as CNCF Distribution has it.
type storage struct{ dir string }

func (s storage) fill() error {
	config := []byte(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}`)
	manifest := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":"sha256:%s","size":%d},"layers":[]}`,
		ocispec.MediaTypeImageManifest, ocispec.MediaTypeImageConfig, hexOf(config), len(config))
	err := errors.Join(s.blob(config), s.blob(manifest))
	for n := range manyRepos {
		err = errors.Join(err, s.repository(fmt.Sprintf("many/r%05d", n), config, manifest, 1))
	}
	return errors.Join(err, s.repository("many/tags", config, manifest, manyTags))
}

func hexOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func write(b []byte, path ...string) error {
	name := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, b, 0o644)
}

func (s storage) blob(b []byte) error {
	h := hexOf(b)
	return write(b, s.dir, "blobs/sha256", h[:2], h, "data")
}

func (s storage) repository(name string, config, manifest []byte, tags int) error {
	dir, h := filepath.Join(s.dir, "repositories", name), hexOf(manifest)
	link := []byte("sha256:" + h)
	err := errors.Join(write([]byte("sha256:"+hexOf(config)), dir, "_layers/sha256", hexOf(config), "link"),
		write(link, dir, "_manifests/revisions/sha256", h, "link"))
	for n := range tags {
		if err != nil {
			return err
		}
		tag := filepath.Join(dir, "_manifests/tags", fmt.Sprintf("t%06d", n))
		err = errors.Join(write(link, tag, "current/link"), write(link, tag, "index/sha256", h, "link"))
	}
	return err
}

// referring is what a manifest with many signatures is asked; the peers do not answer that.
func referring() lab.Row {
	r := plain(" with many referrers", 5151)[0]
	subject := asker.NewLayer(100).Digest()
	need := lab.Need{Name: "many referrers", Do: func(ctx context.Context, l *lab.Lab) error {
		if err := l.Prepare(ctx, r.runs()); err != nil {
			return err
		}
		for n := range referrers {
			if err := r.client.PushReferrer(ctx, subject, n); err != nil {
				return err
			}
		}
		return nil
	}}
	path := "/v2/" + asker.Repository + "/referrers/" + subject.String()
	ld := load{clients: 4, each: 25, prepare: func() work {
		return func(ctx context.Context, c *asker.Client, _ int) error {
			_, err := c.Do(ctx, asker.Call{Method: http.MethodGet, Path: path})
			return err
		}
	}}
	return lab.Row{
		Name: "registry: the referrers of a manifest with 1,000, 4 clients, p50", Rounds: 3,
		In: []lab.Contender{ld.contender(r, false, need)}, After: removed([]*registry{r}),
	}
}
