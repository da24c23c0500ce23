package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// httpClient speaks the distribution protocol to one registry, and does no more
// than it must: what is measured is the registry.
type httpClient struct{ base string }

var pool = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8, DisableCompression: true}}

// call is one request; mediaType is of the body.
type call struct {
	method, path string
	body         []byte
	mediaType    string
}

// do makes a request and returns where its answer points to, "" for nowhere.
func (c *httpClient) do(ctx context.Context, r call) (location string, err error) {
	if len(r.path) > 0 && r.path[0] == '/' {
		r.path = c.base + r.path
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.path, bytes.NewReader(r.body))
	if err != nil {
		return "", err
	}
	req.SetBasicAuth("admin", password)
	if r.mediaType != "" {
		req.Header.Set("Content-Type", r.mediaType)
	}
	req.Header.Set("Accept", ocispec.MediaTypeImageManifest)
	resp, err := pool.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return "", err
	}
	if resp.StatusCode >= 300 {
		return "", fmt.Errorf("%s %s: %s", r.method, r.path, resp.Status)
	}
	u, err := resp.Location()
	if errors.Is(err, http.ErrNoLocation) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return u.String(), nil
}

// blob is bytes with their digest, as a client has them at hand when it pushes.
type blob struct {
	body []byte
	dgst digest.Digest
}

func newBlob(body []byte) blob { return blob{body, digest.FromBytes(body)} }

// newLayer makes a layer that no registry has seen.
func newLayer(size int) blob {
	body := make([]byte, size)
	_, _ = rand.Read(body) // never fails
	return newBlob(body)
}

func (c *httpClient) pushBlob(ctx context.Context, b blob) (ocispec.Descriptor, error) {
	desc := ocispec.Descriptor{Digest: b.dgst, Size: int64(len(b.body))}
	location, err := c.do(ctx, call{method: http.MethodPost, path: "/v2/bench/app/blobs/uploads/"})
	if err != nil {
		return desc, err
	}
	separator := "?"
	if bytes.ContainsRune([]byte(location), '?') {
		separator = "&"
	}
	_, err = c.do(ctx, call{
		method: http.MethodPut, path: location + separator + "digest=" + desc.Digest.String(),
		body: b.body, mediaType: "application/octet-stream",
	})
	return desc, err
}

func (c *httpClient) pushImage(ctx context.Context, tag string, layer blob) error {
	layerDesc, err := c.pushBlob(ctx, layer)
	if err != nil {
		return err
	}
	layerDesc.MediaType = ocispec.MediaTypeImageLayer
	configDesc, err := c.pushBlob(ctx, newBlob(fmt.Appendf(nil,
		`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%q]}}`, layerDesc.Digest)))
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
	_, err = c.do(ctx, call{
		method: http.MethodPut, path: "/v2/bench/app/manifests/" + tag, body: body,
		mediaType: ocispec.MediaTypeImageManifest,
	})
	return err
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
			if _, err := c.do(ctx, call{method: method, path: path}); err != nil {
				return err
			}
		}
	}
	return nil
}
