package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// password is the admin's of the registry under measurement; it listens on a
// loopback address inside a network namespace.
const password = "bench-only"

// peerRegistries are the servers, by port; all speak plain HTTP.
var peerRegistries = []struct{ name, port string }{{"cove", "5101"}, {"docker-registry", "5102"}, {"distribution", "5103"}}

const distributionConf = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}
http: {addr: "127.0.0.1:%s"}
`

func startRegistries(ctx context.Context, l *lab) error {
	if _, started := l.vars["REGISTRIES"]; started {
		return nil
	}
	l.vars["REGISTRIES"] = "started"
	for _, p := range peerRegistries[1:] {
		if err := write(p.name+".yml", fmt.Sprintf(distributionConf, l.work+"/"+p.name, p.port))(ctx, l); err != nil {
			return err
		}
	}
	address := func(i int) string { return "127.0.0.1:" + peerRegistries[i].port }
	for i, argv := range [][]string{
		{l.vars["BIN"] + "/registry", "serve", "--root", l.work + "/cove-registry", "--listen", address(0), "--tls=off"},
		{"docker-registry", "serve", l.work + "/docker-registry.yml"},
		{l.vars["CACHE"] + "/registry", "serve", l.work + "/distribution.yml"},
	} {
		if err := l.serve(ctx, argv[0], argv[1:]...); err != nil {
			return err
		}
		if err := await("tcp", address(i)); err != nil {
			return fmt.Errorf("%s did not start: %w", argv[0], err)
		}
	}
	return nil
}

// registryRows are the protocol measured by a small client of our own, four at
// once, one "image" being a layer, a config and a manifest.
func registryRows() []row {
	load := func(work func(ctx context.Context, c *httpClient, n int) error) []contender {
		var in []contender
		for _, p := range peerRegistries {
			in = append(in, contender{name: p.name, value: func(ctx context.Context, _ *lab) (float64, error) {
				return p50(ctx, &httpClient{base: "http://127.0.0.1:" + p.port}, work)
			}})
		}
		return in
	}
	push := func(size int) func(context.Context, *httpClient, int) error {
		return func(ctx context.Context, c *httpClient, n int) error {
			return c.pushImage(ctx, fmt.Sprint("n", n), size)
		}
	}
	pull := func(tag string) func(context.Context, *httpClient, int) error {
		return func(ctx context.Context, c *httpClient, _ int) error { return c.pullImage(ctx, tag) }
	}
	prepare := func(ctx context.Context, l *lab) error {
		if err := startRegistries(ctx, l); err != nil {
			return err
		}
		for _, p := range peerRegistries {
			c := &httpClient{base: "http://127.0.0.1:" + p.port}
			if err := c.pushImage(ctx, "one", 1<<20); err != nil {
				return err
			}
			if err := c.pushImage(ctx, "ten", 10<<20); err != nil {
				return err
			}
		}
		return nil
	}
	rows := []row{
		{name: "registry push, 1 MB image, p50", target: "≤0.55 × distribution", in: load(push(1 << 20))},
		{name: "registry push, 10 MB image, p50", target: "≤0.55 × distribution", in: load(push(10 << 20))},
		{name: "registry pull, 1 MB image, p50", target: "≤0.3 × distribution", in: load(pull("one"))},
		{name: "registry pull, 10 MB image, p50", target: "≤0.3 × distribution", in: load(pull("ten"))},
		{name: "manifest HEAD, p50", target: "", in: load(func(ctx context.Context, c *httpClient, _ int) error {
			return c.do(ctx, http.MethodHead, "/v2/bench/app/manifests/one", nil, "", nil)
		})},
	}
	for i := range rows {
		rows[i].rounds, rows[i].setup = 5, prepare
	}
	return append(rows, transferRows()...)
}

// transferRows move the big image of the build rows between an engine and one
// neutral registry.
func transferRows() []row {
	const host = "127.0.0.1:5103"
	push := row{name: "push of the built image", target: "≤0.2 × podman", rounds: 2, in: []contender{
		{name: "cove", before: shell("$COVE tag big " + host + "/cove:$ROUND"), run: shell("$COVE push -q " + host + "/cove:$ROUND")},
		{name: "podman", before: shell("$PODMAN tag big " + host + "/podman:$ROUND"), run: shell("$PODMAN push -q --tls-verify=false " + host + "/podman:$ROUND")},
		{name: "docker", before: shell("$DOCKER tag big " + host + "/docker:$ROUND"), run: shell("$DOCKER push -q " + host + "/docker:$ROUND")},
	}}
	for i := range push.in {
		c, before := push.in[i], push.in[i].before
		// A repository of its own each round, or the second push moves nothing.
		round := 0
		push.in[i].before = func(ctx context.Context, l *lab) error {
			round++
			l.vars["ROUND"] = fmt.Sprint(round)
			return before(ctx, l)
		}
		push.in[i].run = c.run
	}
	push.setup = startRegistries
	pull := row{name: "pull and unpack of the built image", target: "≤0.35 × docker", rounds: 2, in: []contender{
		{name: "cove", before: shell("rm -rf $WORK/cove2"), run: shell("$BIN/cove --root $WORK/cove2 pull -q " + host + "/cove:1")},
		{name: "podman", before: shell("$PODMAN rmi -af >/dev/null 2>&1"), run: shell("$PODMAN pull -q --tls-verify=false " + host + "/cove:1")},
		{name: "docker", before: shell("$DOCKER rmi -f $($DOCKER images -q) >/dev/null 2>&1 || true"), run: shell("$DOCKER pull -q " + host + "/cove:1")},
	}}
	return []row{push, pull}
}

// p50 runs work with four clients and returns the median in ms.
func p50(ctx context.Context, c *httpClient, work func(context.Context, *httpClient, int) error) (float64, error) {
	const clients, each = 4, 8
	var (
		mu     sync.Mutex
		times  []float64
		failed error
		wg     sync.WaitGroup
	)
	for client := range clients {
		wg.Go(func() {
			for n := range each {
				start := time.Now()
				err := work(ctx, c, client*each+n)
				ms := float64(time.Since(start).Microseconds()) / 1000
				mu.Lock()
				times = append(times, ms)
				if err != nil {
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(times)
	return times[len(times)/2], failed
}

type httpClient struct{ base string }

var pool = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8, DisableCompression: true}}

func (c *httpClient) do(ctx context.Context, method, path string, body []byte, mediaType string, location *string) error {
	if len(path) > 0 && path[0] == '/' {
		path = c.base + path
	}
	req, err := http.NewRequestWithContext(ctx, method, path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.SetBasicAuth("admin", password)
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	req.Header.Set("Accept", ocispec.MediaTypeImageManifest)
	resp, err := pool.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s %s: %s", method, path, resp.Status)
	}
	if location != nil {
		u, err := resp.Location()
		if err != nil {
			return err
		}
		*location = u.String()
	}
	return nil
}

func (c *httpClient) pushBlob(ctx context.Context, body []byte) (ocispec.Descriptor, error) {
	desc := ocispec.Descriptor{Digest: digest.FromBytes(body), Size: int64(len(body))}
	var location string
	if err := c.do(ctx, http.MethodPost, "/v2/bench/app/blobs/uploads/", nil, "", &location); err != nil {
		return desc, err
	}
	separator := "?"
	if bytes.ContainsRune([]byte(location), '?') {
		separator = "&"
	}
	return desc, c.do(ctx, http.MethodPut, location+separator+"digest="+desc.Digest.String(), body, "application/octet-stream", nil)
}

func (c *httpClient) pushImage(ctx context.Context, tag string, size int) error {
	layer := make([]byte, size)
	if _, err := rand.Read(layer); err != nil {
		return err
	}
	layerDesc, err := c.pushBlob(ctx, layer)
	if err != nil {
		return err
	}
	layerDesc.MediaType = ocispec.MediaTypeImageLayer
	configDesc, err := c.pushBlob(ctx, fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%q]}}`, layerDesc.Digest))
	if err != nil {
		return err
	}
	configDesc.MediaType = ocispec.MediaTypeImageConfig
	body, err := json.Marshal(ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: configDesc, Layers: []ocispec.Descriptor{layerDesc},
	})
	if err != nil {
		return err
	}
	return c.do(ctx, http.MethodPut, "/v2/bench/app/manifests/"+tag, body, ocispec.MediaTypeImageManifest, nil)
}

func (c *httpClient) pullImage(ctx context.Context, tag string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+"/v2/bench/app/manifests/"+tag, http.NoBody)
	if err != nil {
		return err
	}
	req.SetBasicAuth("admin", password)
	req.Header.Set("Accept", ocispec.MediaTypeImageManifest)
	resp, err := pool.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var m ocispec.Manifest
	if err := json.NewDecoder(resp.Body).Decode(&m); err != nil {
		return err
	}
	for _, desc := range append([]ocispec.Descriptor{m.Config}, m.Layers...) {
		path := "/v2/bench/app/blobs/" + desc.Digest.String()
		for _, method := range []string{http.MethodHead, http.MethodGet} {
			if err := c.do(ctx, method, path, nil, "", nil); err != nil {
				return err
			}
		}
	}
	return nil
}
