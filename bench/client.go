package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
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
	var location string
	if err := c.do(ctx, http.MethodPost, "/v2/bench/app/blobs/uploads/", nil, "", &location); err != nil {
		return desc, err
	}
	separator := "?"
	if bytes.ContainsRune([]byte(location), '?') {
		separator = "&"
	}
	return desc, c.do(ctx, http.MethodPut, location+separator+"digest="+desc.Digest.String(), b.body, "application/octet-stream", nil)
}

func (c *httpClient) pushImage(ctx context.Context, tag string, layer blob) error {
	layerDesc, err := c.pushBlob(ctx, layer)
	if err != nil {
		return err
	}
	layerDesc.MediaType = ocispec.MediaTypeImageLayer
	configDesc, err := c.pushBlob(ctx, newBlob(fmt.Appendf(nil, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%q]}}`, layerDesc.Digest)))
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
