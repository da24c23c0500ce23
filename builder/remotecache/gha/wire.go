package gha

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"cove/errdefs"
)

// servicePath is where the methods of the service are.
const servicePath = "twirp/github.actions.results.api.v1.CacheService/"

// version is part of each entry's identity: that of this package's format.
var version = digest.FromString("cove build cache 1").Encoded()

// The messages of the service, as Twirp writes them in JSON.
type (
	findRequest struct {
		Key         string   `json:"key"`
		RestoreKeys []string `json:"restore_keys,omitempty"`
		Version     string   `json:"version"`
	}
	findResponse struct {
		OK         bool   `json:"ok"`
		URL        string `json:"signed_download_url"`
		MatchedKey string `json:"matched_key"`
	}
	createRequest struct {
		Key     string `json:"key"`
		Version string `json:"version"`
	}
	createResponse struct {
		OK      bool   `json:"ok"`
		URL     string `json:"signed_upload_url"`
		Message string `json:"message"`
	}
	finalizeRequest struct {
		Key     string `json:"key"`
		Version string `json:"version"`
		Size    int64  `json:"size_bytes,string"`
	}
	finalizeResponse struct {
		OK      bool   `json:"ok"`
		Message string `json:"message"`
	}
)

// find looks for an entry, by its key or as the newest whose key begins so, and returns
// where its bytes are. One that is not there is errdefs.ErrNotFound.
func (s *Service) find(ctx context.Context, key string, prefix bool) (string, error) {
	in := findRequest{Key: key, Version: version}
	if prefix {
		in.RestoreKeys = []string{key}
	}
	var out findResponse
	err := s.call(ctx, "GetCacheEntryDownloadURL", in, &out)
	found := out.MatchedKey == key || prefix && strings.HasPrefix(out.MatchedKey, key)
	if err == nil && (!out.OK || !found || out.URL == "") {
		err = errdefs.Errorf(errdefs.ErrNotFound, "cache service of GitHub Actions: it has no entry %s", key)
	}
	return out.URL, err
}

// put makes an entry of size bytes. One that is there already is as good: its key is
// the digest of its bytes, or of this moment.
func (s *Service) put(ctx context.Context, key string, body io.Reader, size int64) error {
	var made createResponse
	err := s.call(ctx, "CreateCacheEntry", createRequest{key, version}, &made)
	if errors.Is(err, errdefs.ErrExists) {
		return nil
	}
	if err == nil && (!made.OK || made.URL == "") {
		err = errdefs.Errorf(errdefs.ErrDenied, "cache service of GitHub Actions: it takes no entry %s: %s", key,
			made.Message)
	}
	if err != nil {
		return err
	}
	if err := s.send(ctx, made.URL, body); err != nil {
		return fmt.Errorf("cache service of GitHub Actions: uploading %s: %w", key, err)
	}
	var done finalizeResponse
	err = s.call(ctx, "FinalizeCacheEntryUpload", finalizeRequest{key, version, size}, &done)
	if err == nil && !done.OK {
		err = errdefs.Errorf(errdefs.ErrUnavailable, "cache service of GitHub Actions: it did not keep %s: %s", key,
			done.Message)
	}
	return err
}

// How often, and how soon again, something passing is tried.
const (
	tries     = 4
	firstWait = time.Second
)

// call is one method of the service.
func (s *Service) call(ctx context.Context, method string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return s.persist(ctx, func() error {
		at := s.cfg.URL + servicePath + method
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, bytes.NewReader(body))
		if err != nil {
			return errdefs.Errorf(errdefs.ErrInvalid, "cache service of GitHub Actions: its URL is malformed")
		}
		req.Header.Set("Authorization", "Bearer "+s.cfg.Token)
		req.Header.Set("Content-Type", "application/json")
		resp, err := s.do(req)
		if err != nil {
			return fmt.Errorf("cache service of GitHub Actions: %s: %w", method, err)
		}
		defer resp.Body.Close()
		return json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(out)
	})
}

// persist tries something again while its failure may pass.
func (s *Service) persist(ctx context.Context, do func() error) error {
	wait := firstWait
	for n := 1; ; n++ {
		err := do()
		if err == nil || n == tries || !errors.Is(err, errdefs.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		if serr := s.cfg.Sleep(ctx, wait); serr != nil {
			return err
		}
		wait *= 2
	}
}

// kinds are those of the service's answers.
var kinds = map[int]error{
	http.StatusNotFound: errdefs.ErrNotFound, http.StatusConflict: errdefs.ErrExists,
	http.StatusUnauthorized: errdefs.ErrDenied, http.StatusForbidden: errdefs.ErrDenied,
	http.StatusTooManyRequests: errdefs.ErrUnavailable, http.StatusRequestedRangeNotSatisfiable: errdefs.ErrCorrupt,
}

// do sends a request. Its errors show neither the token nor a URL: that of a blob is
// signed, and who has it has the blob.
func (s *Service) do(req *http.Request) (*http.Response, error) {
	resp, err := s.cfg.HTTP.Do(req)
	if err != nil {
		if at := (*url.Error)(nil); errors.As(err, &at) {
			err = at.Err
		}
		return nil, errdefs.Errorf(errdefs.ErrUnavailable, "%s: %w", req.URL.Hostname(), err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	kind := kinds[resp.StatusCode]
	switch {
	case kind == nil && resp.StatusCode >= 500:
		kind = errdefs.ErrUnavailable
	case kind == nil:
		kind = errdefs.ErrInvalid
	}
	var twirp struct{ Code, Msg string }
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	_ = json.Unmarshal(body, &twirp)
	if twirp.Code == "already_exists" {
		kind = errdefs.ErrExists
	}
	return nil, errdefs.Errorf(kind, "%s answered %s %s", req.URL.Hostname(), resp.Status,
		strings.ReplaceAll(twirp.Msg, s.cfg.Token, "***"))
}

// get reads an entry from an offset on.
func (s *Service) get(ctx context.Context, from string, offset int64) (body io.ReadCloser, err error) {
	err = s.persist(ctx, func() error {
		req, err := blobRequest(ctx, http.MethodGet, from, nil)
		if err != nil {
			return err
		}
		if offset > 0 {
			req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		}
		resp, err := s.do(req)
		if err != nil {
			return err
		}
		if offset > 0 && resp.StatusCode != http.StatusPartialContent {
			if _, err := io.CopyN(io.Discard, resp.Body, offset); err != nil {
				return errors.Join(err, resp.Body.Close())
			}
		}
		body = resp.Body
		return nil
	})
	return body, err
}

// blobRequest is one of the blobs' own protocol.
func blobRequest(ctx context.Context, method, at string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, at, bytes.NewReader(body))
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "the URL of the entry is malformed")
	}
	req.Header.Set("x-ms-version", "2021-12-02")
	return req, nil
}

// Blobs are sent in blocks, a few at once.
const (
	blockSize  = 8 << 20
	blocksOnce = 4
)

// blockList is how blocks become a blob.
type blockList struct {
	XMLName xml.Name `xml:"BlockList"`
	Latest  []string `xml:"Latest"`
}

// send uploads a blob in blocks. It is none before the list of its blocks, which is
// sent when all of it was read: the reader says whether that was right.
func (s *Service) send(ctx context.Context, to string, body io.Reader) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(blocksOnce)
	var list blockList
	var rerr error
	for n := 0; rerr == nil && gctx.Err() == nil; n++ {
		var block []byte
		if block, rerr = nextBlock(body); len(block) == 0 {
			break
		}
		id := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%08d", n))
		list.Latest = append(list.Latest, id)
		query := "comp=block&blockid=" + url.QueryEscape(id)
		g.Go(func() error { return s.putBlob(gctx, to, query, block) })
	}
	err := g.Wait()
	if err == nil && !errors.Is(rerr, io.EOF) {
		err = rerr
	}
	if err != nil {
		return err
	}
	text, err := xml.Marshal(list)
	if err != nil {
		return err
	}
	return s.putBlob(ctx, to, "comp=blocklist", append([]byte(xml.Header), text...))
}

// nextBlock reads a block, which is shorter at the end alone, and the reader's own error.
func nextBlock(body io.Reader) ([]byte, error) {
	block, n := make([]byte, blockSize), 0
	for n < len(block) {
		m, err := body.Read(block[n:])
		n += m
		if err != nil {
			return block[:n], err
		}
	}
	return block, nil
}

func (s *Service) putBlob(ctx context.Context, to, query string, body []byte) error {
	return s.persist(ctx, func() error {
		req, err := blobRequest(ctx, http.MethodPut, to, body)
		if err != nil {
			return err
		}
		req.URL.RawQuery = strings.TrimPrefix(req.URL.RawQuery+"&"+query, "&")
		resp, err := s.do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
}
