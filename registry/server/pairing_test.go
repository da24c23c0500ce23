package server

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/contenttest"
	"cove/distribution"
	"cove/distribution/distributiontest"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/fsck"
	"cove/registry/metadata"
	"cove/registry/metadata/metadatatest"
	"cove/registry/server/config"
	"cove/registry/storage"
)

// place is a registry's root in a test that stops and starts it.
type place struct {
	t    *testing.T
	root string
	dsn  string      // of PostgreSQL; "" is SQLite in the root
	s3   *storage.S3 // nil: the storage is in the root
}

func (p place) config() config.Config {
	cfg := config.Config{Root: p.root, Database: p.dsn, Listen: "127.0.0.1:0", TLS: config.TLS{Off: true}, Storage: config.Storage{S3: p.s3}}
	cfg.Log.Level = "error"
	return cfg
}

// start starts it, calls do, and ends it as a kill does.
func (p place) start(cfg config.Config, do func(s *Server)) error {
	p.t.Helper()
	s, err := New(p.t.Context(), cfg)
	if err != nil {
		return err
	}
	do(s)
	if err := errors.Join(s.closeListeners(), s.state.close(false)); err != nil {
		p.t.Error(err)
	}
	return nil
}

func asAdmin(ctx context.Context) context.Context {
	return auth.WithCaller(ctx, auth.Caller{UserID: 1, Name: "admin", Admin: true})
}

// push pushes an image as TAG, and returns it.
func (p place) push(s *Server, seed uint64, tag string) distributiontest.Image {
	p.t.Helper()
	ctx, r := asAdmin(p.t.Context()), s.registry
	img := distributiontest.NewImage(p.t, seed, 3000, 40)
	for dgst, b := range img.Blobs {
		up, err := r.StartUpload(ctx, "team/app")
		if err == nil {
			_, err = up.Write(b)
		}
		if err == nil {
			_, err = up.Commit(ctx, dgst)
		}
		if err != nil {
			p.t.Fatal(err)
		}
	}
	if _, err := r.PutManifest(ctx, "team/app", img.Manifest, tag); err != nil {
		p.t.Fatal(err)
	}
	return img
}

// blobs are the digests of all stored files below the root, wherever they are.
func (p place) blobs() (all []string) {
	p.t.Helper()
	err := filepath.WalkDir(p.root, func(name string, e fs.DirEntry, err error) error {
		if err == nil && strings.Contains(name, "/blobs/sha256/") {
			all = append(all, e.Name())
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// estrangements are the ways in which a database and content come not to belong
// together. Each begins with a stopped registry of three images, v1 to v3, of
// which v2 was deleted; before.db is the database before v3, other is another
// registry's root, live.db with its log is a copy of the newest one while it ran.
func estrangements() map[string]func(t *testing.T, p place, other string) {
	at := func(p place, name string) string { return filepath.Join(p.root, name) }
	mv := func(t *testing.T, from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	return map[string]func(t *testing.T, p place, other string){
		"lost": func(t *testing.T, p place, _ string) { mv(t, at(p, "registry.db"), at(p, "aside.db")) },
		"lost without its log": func(t *testing.T, p place, _ string) {
			mv(t, at(p, "live.db"), at(p, "aside.db"))
			mv(t, at(p, "live.db-wal"), at(p, "registry.db-wal"))
			if err := os.Remove(at(p, "registry.db")); err != nil {
				t.Fatal(err)
			}
		},
		"empty": func(t *testing.T, p place, _ string) {
			if err := os.Truncate(at(p, "registry.db"), 0); err != nil {
				t.Fatal(err)
			}
		},
		"older":     func(t *testing.T, p place, _ string) { mv(t, at(p, "before.db"), at(p, "registry.db")) },
		"new":       func(t *testing.T, p place, other string) { mv(t, other+"/new.db", at(p, "registry.db")) },
		"another's": func(t *testing.T, p place, other string) { mv(t, other+"/registry.db", at(p, "registry.db")) },
		"damaged": func(t *testing.T, p place, other string) {
			must(t, os.WriteFile(at(p, "registry.db"), bytes.Repeat([]byte("no database "), 1000), 0o600))
		},
	}
}

// TestEstrangedDatabase starts, checks and recovers a registry whose database is
// lost, older, or another's: nothing is served or collected, and every way back
// that the refusal names works.
func TestEstrangedDatabase(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	for name, estrange := range estrangements() {
		for _, way := range []string{"put back", "reindex", "begin anew"} {
			t.Run(name+"/"+way, func(t *testing.T) {
				p, other := place{t: t, root: metadatatest.Dir(t)}, place{t: t, root: metadatatest.Dir(t)}
				images := p.fill()
				must(t, other.start(other.config(), func(*Server) {}))
				copyFile(t, other.root+"/registry.db", other.root+"/new.db")
				must(t, other.start(other.config(), func(s *Server) { other.push(s, 90, "v9") }))
				copyFile(t, filepath.Join(p.root, "registry.db"), filepath.Join(p.root, "good.db"))
				blobs := p.blobs()
				estrange(t, p, other.root)
				for range 2 {
					p.refused()
				}
				if got := p.blobs(); !slices.Equal(got, blobs) {
					t.Fatalf("%d blobs, there were %d", len(got), len(blobs))
				}
				switch {
				case name == "another's" && way == "reindex":
					if _, err := Reindex(t.Context(), p.config(), func(error) {}); !errors.Is(err, errdefs.ErrConflict) {
						t.Errorf("reindex into another registry's database: %v", err)
					}
					must(t, os.Remove(filepath.Join(p.root, "registry.db")))
				case name == "damaged" && way != "put back":
					if _, err := Reindex(t.Context(), p.config(), func(error) {}); !errors.Is(err, errdefs.ErrConflict) {
						t.Errorf("reindex into what is no database: %v", err)
					}
					must(t, os.Remove(filepath.Join(p.root, "registry.db")))
				case name == "another's" && way == "begin anew":
					images, way = nil, "begin with another's"
				}
				p.recover(way, name == "older", images, blobs)
			})
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fill makes the registry that estrangements begin with; v2 is deleted.
func (p place) fill() (images map[string]distributiontest.Image) {
	images = map[string]distributiontest.Image{}
	must(p.t, p.start(p.config(), func(s *Server) {
		images["v1"], images["v2"] = p.push(s, 10, "v1"), p.push(s, 20, "v2")
		must(p.t, s.registry.DeleteTag(asAdmin(p.t.Context()), "team/app", "v2"))
	}))
	copyFile(p.t, filepath.Join(p.root, "registry.db"), filepath.Join(p.root, "before.db"))
	must(p.t, p.start(p.config(), func(s *Server) {
		images["v3"] = p.push(s, 30, "v3")
		for _, log := range []string{"", "-wal"} {
			copyFile(p.t, filepath.Join(p.root, "registry.db"+log), filepath.Join(p.root, "live.db"+log))
		}
	}))
	return images
}

// refused expects that neither a start nor a check goes on.
func (p place) refused() {
	p.t.Helper()
	_, fsck := Fsck(p.t.Context(), p.config(), true, func(f fsck.Finding) { p.t.Errorf("found %+v", f) })
	start := p.start(p.config(), func(*Server) { p.t.Error("it started") })
	for what, err := range map[string]error{"start": start, "fsck": fsck} {
		s, ok := errdefs.SuggestionFor(err)
		named := filepath.Join(p.root, "registry.db")
		if p.dsn != "" {
			named = "PostgreSQL"
		}
		if !errors.Is(err, errdefs.ErrConflict) || !ok || s.Do != errdefs.RecoverDatabase || s.To != p.root ||
			!strings.Contains(err.Error(), named) {
			p.t.Errorf("%s: %v", what, err)
		}
	}
}

func (p place) recover(way string, older bool, images map[string]distributiontest.Image, blobs []string) {
	cfg := p.config()
	switch way {
	case "put back":
		if p.dsn != "" {
			break
		}
		must(p.t, os.Rename(filepath.Join(p.root, "good.db"), filepath.Join(p.root, "registry.db")))
	case "reindex":
		got, err := Reindex(p.t.Context(), cfg, func(err error) { p.t.Errorf("problem: %v", err) })
		if err != nil || got.Manifests != 3 || got.Tags != 2 || got.Lost != 0 {
			p.t.Fatalf("reindexed %+v, %v", got, err)
		}
	case "begin anew":
		cfg.BeginAnew = true
	case "begin with another's":
		cfg.BeginAnew = true
		must(p.t, p.start(cfg, func(*Server) {}))
		if got := p.blobs(); !slices.Equal(got, blobs) {
			p.t.Errorf("%d blobs, there were %d", len(got), len(blobs))
		}
		return
	}
	want := []string{"v1", "v3"}
	switch {
	case way == "begin anew" && older:
		want = want[:1]
	case way == "begin anew":
		want = nil
	}
	for range 2 { // the second start collects what the first has left
		must(p.t, p.start(cfg, func(s *Server) {
			p.serves(s, want, images)
			if got, err := s.registry.Collect(p.t.Context()); err != nil || got.Blobs > 0 && way != "begin anew" {
				p.t.Errorf("collected %+v, %v", got, err)
			}
		}))
		cfg.BeginAnew = false
	}
	if got := p.blobs(); (!older || way != "begin anew") && !slices.Equal(got, blobs) {
		p.t.Errorf("%d blobs, there were %d", len(got), len(blobs))
	}
	if way != "begin anew" {
		if _, err := Fsck(p.t.Context(), p.config(), false, func(f fsck.Finding) { p.t.Errorf("found %+v", f) }); err != nil {
			p.t.Error(err)
		}
	}
}

// serves expects just these tags, whole.
func (p place) serves(s *Server, want []string, images map[string]distributiontest.Image) {
	p.t.Helper()
	ctx := asAdmin(p.t.Context())
	tags, _, err := s.registry.Tags(ctx, "team/app", distribution.Page{})
	if err != nil && !errors.Is(err, errdefs.ErrNotFound) || !slices.Equal(tags, want) {
		p.t.Errorf("tags %v, %v; want %v", tags, err, want)
	}
	for _, tag := range want {
		m, err := s.registry.GetTag(ctx, "team/app", tag)
		if err != nil || m.Descriptor.Digest != images[tag].Manifest.Descriptor.Digest {
			p.t.Errorf("%s: %v, %v", tag, m.Descriptor, err)
		}
		for dgst, b := range images[tag].Blobs {
			if desc, err := s.registry.StatBlob(ctx, "team/app", dgst); err != nil || desc.Size != int64(len(b)) {
				p.t.Errorf("%s: blob %s: %v, %v", tag, dgst, desc, err)
			}
		}
	}
}

// TestEstrangedPostgres is TestEstrangedDatabase with databases of a server: a
// new one, one restored from before a change, another registry's.
func TestEstrangedPostgres(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	server := metadatatest.Postgres(t)
	for _, name := range []string{"new", "older", "another's"} {
		for _, way := range []string{"put back", "reindex", "begin anew"} {
			if name == "another's" && way != "put back" {
				continue // it holds what is another's, and must be left alone
			}
			t.Run(name+"/"+way, func(t *testing.T) {
				p := place{t: t, root: metadatatest.Dir(t), dsn: server.New(t)}
				images := map[string]distributiontest.Image{}
				must(t, p.start(p.config(), func(s *Server) {
					images["v1"], images["v2"] = p.push(s, 10, "v1"), p.push(s, 20, "v2")
					must(t, s.registry.DeleteTag(asAdmin(t.Context()), "team/app", "v2"))
				}))
				wrong := map[string]string{"new": server.New(t), "older": server.Copy(t, p.dsn), "another's": server.New(t)}
				must(t, p.start(p.config(), func(s *Server) { images["v3"] = p.push(s, 30, "v3") }))
				other := place{t: t, root: metadatatest.Dir(t), dsn: wrong["another's"]}
				must(t, other.start(other.config(), func(s *Server) { other.push(s, 90, "v9") }))
				blobs, right := p.blobs(), p.dsn
				p.dsn = wrong[name]
				p.refused()
				if got := p.blobs(); !slices.Equal(got, blobs) {
					t.Fatalf("%d blobs, there were %d", len(got), len(blobs))
				}
				if way == "put back" {
					p.dsn = right
				}
				p.recover(way, name == "older", images, blobs)
			})
		}
	}
}

// TestEstrangedContent takes the content away, or another registry's.
func TestEstrangedContent(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	for _, swap := range []bool{false, true} {
		p, other := place{t: t, root: metadatatest.Dir(t)}, place{t: t, root: metadatatest.Dir(t)}
		images := p.fill()
		must(t, other.start(other.config(), func(s *Server) { other.push(s, 90, "v9") }))
		content := filepath.Join(p.root, "content")
		must(t, os.Rename(content, content+".aside"))
		if swap {
			must(t, os.Rename(filepath.Join(other.root, "content"), content))
		} else {
			must(t, os.Mkdir(content, 0o700))
		}
		blobs := p.blobs()
		if err := p.start(p.config(), func(*Server) {}); !errors.Is(err, errdefs.ErrConflict) {
			t.Errorf("swapped %v: %v", swap, err)
		}
		if got := p.blobs(); !slices.Equal(got, blobs) {
			t.Errorf("%d blobs, there were %d", len(got), len(blobs))
		}
		must(t, errors.Join(os.RemoveAll(content), os.Rename(content+".aside", content)))
		must(t, p.start(p.config(), func(s *Server) { p.serves(s, []string{"v1", "v3"}, images) }))
	}
}

// TestFirstStartOfThisRelease opens a root of a release that kept no records:
// they are made, and a database that is lost afterwards comes back from them.
func TestFirstStartOfThisRelease(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	p := place{t: t, root: metadatatest.Dir(t)}
	images := p.fill()
	must(t, p.start(p.config(), func(s *Server) {
		must(t, s.state.db.Update(t.Context(), func(ctx context.Context, tx *metadata.Tx) error { return tx.SetIdentity(ctx, "") }))
	}))
	must(t, os.RemoveAll(filepath.Join(p.root, "content", "records")))
	must(t, p.start(p.config(), func(s *Server) { p.serves(s, []string{"v1", "v3"}, images) }))
	must(t, os.Remove(filepath.Join(p.root, "registry.db")))
	p.refused()
	p.recover("reindex", false, images, p.blobs())
}

// TestKilledPushLeavesNoWrongTag leaves the record of a push that was killed
// before its bytes were complete: the tag comes back as what it was before.
func TestKilledPushLeavesNoWrongTag(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	p := place{t: t, root: metadatatest.Dir(t)}
	images := p.fill()
	must(t, p.start(p.config(), func(s *Server) {
		must(t, s.state.storage.Records.AddTag(t.Context(), "team/app", "v1", digest.FromString("never came"), 0))
	}))
	must(t, os.Remove(filepath.Join(p.root, "registry.db")))
	p.recover("reindex", false, images, p.blobs())
}

// TestKilledWithinTheFirstPush leaves bytes in a registry whose database knows none
// yet: it starts all the same, and collects them.
func TestKilledWithinTheFirstPush(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	p := place{t: t, root: metadatatest.Dir(t)}
	b := contenttest.Bytes(1, 1000)
	must(t, p.start(p.config(), func(s *Server) {
		_, err := content.WriteBytes(t.Context(), s.state.storage.Bytes, ocispec.Descriptor{}, b)
		must(t, err)
	}))
	must(t, p.start(p.config(), func(s *Server) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go s.registry.CollectEvery(ctx, func() time.Duration { return 10 * time.Millisecond })
		for {
			_, err := s.state.storage.Bytes.Stat(ctx, digest.FromBytes(b))
			if errors.Is(err, errdefs.ErrNotFound) {
				break
			}
			must(t, err)
			time.Sleep(5 * time.Millisecond)
		}
		p.reads(s, p.push(s, 1, "v1"), "v1")
	}))
}
