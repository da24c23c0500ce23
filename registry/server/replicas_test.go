package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/content"
	"cove/content/contenttest"
	"cove/content/s3store/s3test"
	"cove/distribution/distributiontest"
	"cove/errdefs"
	"cove/registry/fsck"
	"cove/registry/metadata/metadatatest"
	"cove/registry/storage"
	"cove/registry/store/servers"
)

// bucketOf is a place of its own in a service.
func bucketOf(s *s3test.Server) *storage.S3 {
	c := s.Config()
	return &storage.S3{Endpoint: c.Endpoint, Bucket: c.Bucket, Prefix: c.Prefix, Credentials: c.Credentials, CA: c.CA}
}

// TestRegistryInABucket stops and starts a registry whose storage is a bucket, takes
// its database away, and makes it again.
func TestRegistryInABucket(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	service, postgres := s3test.Start(t), metadatatest.Postgres(t)
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			p := place{t: t, root: metadatatest.Dir(t), s3: bucketOf(service)}
			lost := place{t: t, root: metadatatest.Dir(t), s3: p.s3}
			if engine == "postgres" {
				p.dsn, lost.dsn = postgres.New(t), postgres.New(t)
			}
			images := map[string]distributiontest.Image{}
			must(t, p.start(p.config(), func(s *Server) {
				images["v1"], images["v2"] = p.push(s, 10, "v1"), p.push(s, 20, "v2")
				must(t, s.registry.DeleteTag(asAdmin(t.Context()), "team/app", "v2"))
				images["v3"] = p.push(s, 30, "v3")
			}))
			must(t, p.start(p.config(), func(s *Server) { p.serves(s, []string{"v1", "v3"}, images) }))

			// With a new database, beside the content.
			start := lost.start(lost.config(), func(*Server) { t.Error("it started") })
			if s, ok := errdefs.SuggestionFor(start); !errors.Is(start, errdefs.ErrConflict) || !ok || s.Do != errdefs.RecoverDatabase {
				t.Errorf("a new database: %v", start)
			}
			lost.recover("reindex", false, images, nil)

			// With another place, beside the database.
			astray := p
			elsewhere := *p.s3
			astray.s3, elsewhere.Prefix = &elsewhere, "elsewhere"
			if err := astray.start(astray.config(), func(*Server) {}); !errors.Is(err, errdefs.ErrConflict) {
				t.Errorf("another prefix: %v", err)
			}
			cfg := lost.config()
			cfg.Database, cfg.Root, cfg.BeginAnew = "", metadatatest.Dir(t), true
			if err := lost.start(cfg, func(*Server) {}); !errors.Is(err, errdefs.ErrUnsupported) {
				t.Errorf("beginning anew in a bucket: %v", err)
			}
		})
	}
}

// TestDamageInABucket cuts a stored object: what finds it says so, and a push heals.
func TestDamageInABucket(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	service := s3test.Start(t)
	p := place{t: t, root: metadatatest.Dir(t), s3: bucketOf(service)}
	must(t, p.start(p.config(), func(s *Server) {
		img := p.push(s, 10, "v1")
		for dgst := range img.Blobs {
			service.Damage(t, p.s3.Prefix, "blobs/sha256/"+dgst.Encoded())
			break
		}
		var found []fsck.Finding
		if _, err := Fsck(t.Context(), p.config(), false, func(f fsck.Finding) { found = append(found, f) }); len(found) != 1 {
			t.Errorf("found %+v, %v", found, err)
		}
		p.want("the push again", p.pushImage(s, img, "v1"), http.StatusCreated)
		p.reads(s, img, "v1")
	}))
}

// TestReplicas has two servers of one registry take turns.
func TestReplicas(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	service, postgres := s3test.Start(t), metadatatest.Postgres(t)
	p := place{t: t, root: metadatatest.Dir(t), s3: bucketOf(service), dsn: postgres.New(t)}
	other := p
	other.root = metadatatest.Dir(t)
	must(t, p.start(p.config(), func(a *Server) {
		must(t, other.start(other.config(), func(b *Server) {
			p.uploadInTurns(a, b)
			p.held(a, b)
			img := p.push(a, 1, "v1")
			p.reads(b, img, "v1")
			status, _, _ := p.ask(b, "DELETE", "/v2/team/app/manifests/v1", nil)
			p.want("delete", status, http.StatusAccepted)
			status, _, _ = p.ask(a, "GET", "/v2/team/app/manifests/v1", nil)
			p.want("what the other has deleted", status, http.StatusNotFound)
		}))
	}))
}

// TestRedirect has a client get a blob from the service itself.
func TestRedirectToTheBucket(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	service := s3test.Start(t)
	p := place{t: t, root: metadatatest.Dir(t), s3: bucketOf(service)}
	p.s3.Redirect = true
	must(t, p.start(p.config(), func(s *Server) {
		img := p.push(s, 1, "v1")
		front := httptest.NewServer(s.handler)
		defer front.Close()
		hc := s3test.HTTPClient(t, service.CA)
		defer hc.CloseIdleConnections()
		for dgst, b := range img.Blobs {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, front.URL+"/v2/team/app/blobs/"+dgst.String(), nil)
			must(t, err)
			req.SetBasicAuth("admin", testPassword)
			resp, err := hc.Do(req)
			must(t, err)
			got, err := io.ReadAll(resp.Body)
			must(t, errors.Join(err, resp.Body.Close()))
			if resp.Request.URL.Host != strings.TrimPrefix(service.Endpoint, "https://") || !bytes.Equal(got, b) {
				t.Errorf("%d bytes of %s: %s", len(got), resp.Request.URL.Host, resp.Status)
			}
			status, _, _ := p.ask(s, "HEAD", "/v2/team/app/blobs/"+dgst.String(), nil)
			p.want("HEAD", status, http.StatusOK)
		}
		status, _, _ := p.ask(s, "GET", "/v2/team/app/blobs/"+digest.FromString("none").String(), nil)
		p.want("none", status, http.StatusNotFound)
		status, _, _ = p.ask(s, "GET", "/v2/team/none/blobs/"+digest.FromString("none").String(), nil)
		p.want("no repository", status, http.StatusNotFound)
	}))
}

// TestBucketIsGone ends the service: what needs it is answered 503, what does not
// goes on, and nothing that was acknowledged is lost.
func TestBucketIsGone(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	service := s3test.Start(t)
	p := place{t: t, root: metadatatest.Dir(t), s3: bucketOf(service)}
	p.s3.Attempts = 1
	must(t, p.start(p.config(), func(s *Server) {
		img, other := p.push(s, 1, "v1"), distributiontest.NewImage(t, 2, 3000)
		p.reads(s, img, "v1")
		_, header, _ := p.ask(s, "POST", "/v2/team/app/blobs/uploads/", nil)
		upload := header.Get("Location")
		status, _, _ := p.ask(s, "PATCH", upload, []byte("a chunk"))
		p.want("a chunk", status, http.StatusAccepted)

		service.Kill()
		for dgst := range img.Blobs {
			for _, method := range []string{"HEAD", "GET"} {
				status, header, _ := p.ask(s, method, "/v2/team/app/blobs/"+dgst.String(), nil)
				if p.want(method, status, http.StatusServiceUnavailable); header.Get("Retry-After") == "" {
					t.Errorf("%s: it does not say when to come again", method)
				}
			}
		}
		p.want("a push", p.pushImage(s, other, "v2"), http.StatusServiceUnavailable)
		status, _, _ = p.ask(s, "GET", "/v2/team/app/manifests/v1", nil)
		p.want("a manifest in memory", status, http.StatusOK)
		status, _, _ = p.ask(s, "GET", "/v2/team/app/tags/list", nil)
		p.want("tags", status, http.StatusOK)

		service.Run(t)
		p.reads(s, img, "v1")
		status, header, _ = p.ask(s, "GET", upload, nil)
		if p.want("the upload", status, http.StatusNoContent); header.Get("Range") != "0-6" {
			t.Errorf("the upload is at %s", header.Get("Range"))
		}
		status, _, body := p.ask(s, "PUT", upload+"?digest="+digest.FromString("a chunk").String(), nil)
		if p.want("its end", status, http.StatusCreated); status != http.StatusCreated {
			t.Errorf("%s", body)
		}
		p.want("a push again", p.pushImage(s, other, "v2"), http.StatusCreated)
	}))
}

// uploadInTurns sends each chunk of an upload to the other server.
func (p place) uploadInTurns(servers ...*Server) {
	p.t.Helper()
	b := contenttest.Bytes(5, 17<<20)
	_, header, _ := p.ask(servers[0], "POST", "/v2/team/app/blobs/uploads/", nil)
	at, turn := header.Get("Location"), 0
	for off := 0; off < len(b); turn++ {
		end := min(off+[]int{1, 3 << 20, 6 << 20}[turn%3], len(b))
		span := fmt.Sprintf("%d-%d", off, end-1)
		status, header, body := p.ask(servers[turn%len(servers)], "PATCH", at, b[off:end], "Content-Range", span)
		if status != http.StatusAccepted || header.Get("Range") != fmt.Sprintf("0-%d", end-1) {
			p.t.Fatalf("chunk %s: %d %s", span, status, body)
		}
		status, header, _ = p.ask(servers[(turn+1)%len(servers)], "GET", at, nil)
		if status != http.StatusNoContent || header.Get("Range") != fmt.Sprintf("0-%d", end-1) {
			p.t.Fatalf("the other one says %d, %s", status, header.Get("Range"))
		}
		off = end
	}
	dgst := digest.FromBytes(b)
	status, _, body := p.ask(servers[turn%len(servers)], "PUT", at+"?digest="+dgst.String(), nil)
	if status != http.StatusCreated {
		p.t.Fatalf("the end: %d %s", status, body)
	}
	for _, s := range servers {
		status, _, got := p.ask(s, "GET", "/v2/team/app/blobs/"+dgst.String(), nil)
		if p.want("pull", status, http.StatusOK); digest.FromBytes(got) != dgst {
			p.t.Errorf("%d other bytes", len(got))
		}
	}
}

// held expects that an upload that one server has open is not the other's, and that
// one of them collects at a time.
func (p place) held(a, b *Server) {
	p.t.Helper()
	ctx := asAdmin(p.t.Context())
	up, err := a.registry.StartUpload(ctx, "team/app")
	if err == nil {
		_, err = up.Write([]byte("x"))
	}
	must(p.t, err)
	if _, err := b.registry.ResumeUpload(ctx, "team/app", up.ID()); !errors.Is(err, errdefs.ErrUnavailable) {
		p.t.Errorf("an upload that the other has open: %v", err)
	}
	must(p.t, up.Close())
	again, err := b.registry.ResumeUpload(ctx, "team/app", up.ID())
	must(p.t, err)
	must(p.t, again.Cancel(ctx))
}

// TestStraysOfAKilledServer leaves bytes that no row owns as a server does that is
// killed before its transaction, and starts another one, on another root.
func TestStraysOfAKilledServer(t *testing.T) {
	t.Setenv(AdminPasswordEnv, testPassword)
	p := place{
		t: t, root: metadatatest.Dir(t), s3: bucketOf(s3test.Start(t)), dsn: metadatatest.Postgres(t).New(t),
	}
	stray := contenttest.Bytes(1, 1000)
	var img distributiontest.Image
	must(t, p.start(p.config(), func(s *Server) {
		img = p.push(s, 1, "v1")
		_, err := content.WriteBytes(t.Context(), s.state.storage.Bytes, ocispec.Descriptor{}, stray)
		must(t, err)
	}))
	p.root = metadatatest.Dir(t)
	must(t, p.start(p.config(), func(s *Server) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		go s.registry.CollectEvery(ctx, func() time.Duration { return 10 * time.Millisecond })
		for {
			_, err := s.state.storage.Bytes.Stat(ctx, digest.FromBytes(stray))
			if errors.Is(err, errdefs.ErrNotFound) {
				break
			}
			must(t, err)
		}
		p.reads(s, img, "v1")
		must(t, s.leave(ctx))
		for running := []string{""}; len(running) > 0; {
			var err error
			running, err = servers.All(ctx, s.state.db)
			must(t, err)
		}
	}))
}
