// Package inprocess asks the registry's own API in this process, as whoever may open a
// registry's root.
package inprocess

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"cove/errdefs"
	"cove/registry/api"
	"cove/registry/api/client"
	"cove/registry/api/rest"
	"cove/registry/auth"
)

// Here is the API asked in this process, by one caller: all that an operation does, checks
// and writes to the audit log is as over HTTP, and its errors come as they are.
type Here struct{ mux *http.ServeMux }

// As returns the API as it answers this caller. The operations on what is stored as
// artifacts need api.Config.Registry; all others do without it, and without Identify, Origins
// and Log.
func As(caller auth.Caller, cfg api.Config) *Here {
	cfg.Identify = func(*http.Request) (auth.Caller, error) { return caller, nil }
	cfg.Origins = http.NewCrossOriginProtection()
	mux := http.NewServeMux()
	for _, r := range api.New(cfg).Routes() {
		mux.HandleFunc(r.Method+" "+r.Path, r.Handler)
	}
	return &Here{mux}
}

var _ client.Door = (*Here)(nil)

// Do has a call answered.
func (h *Here) Do(ctx context.Context, call client.Call) error {
	if err := call.Check(); err != nil {
		return err
	}
	req, err := requestOf(ctx, call)
	if err != nil {
		return err
	}
	w := &heard{header: http.Header{}, status: http.StatusOK}
	w.to, _ = call.Copies()
	h.mux.ServeHTTP(w, req)
	switch {
	case w.err != nil:
		return w.err
	case w.status >= http.StatusMultipleChoices:
		return errdefs.Errorf(errdefs.ErrInvalid, "%s %s is no operation of the API", call.Method, call.Path)
	case call.Into == nil || w.body.Len() == 0:
		return nil
	}
	return json.Unmarshal(w.body.Bytes(), call.Into)
}

func requestOf(ctx context.Context, call client.Call) (*http.Request, error) {
	var body io.Reader = http.NoBody
	kind := ""
	switch b := call.Body.(type) {
	case nil:
	case io.Reader:
		body = b
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		body, kind = bytes.NewReader(text), "application/json"
	}
	url := rest.Base + call.Path
	if len(call.Query) > 0 {
		url += "?" + call.Query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, call.Method, url, body)
	if err != nil {
		return nil, errdefs.Errorf(errdefs.ErrInvalid, "%w", err)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	return req, nil
}

// heard is what was answered.
type heard struct {
	header http.Header
	status int
	body   bytes.Buffer
	to     io.Writer // that gets the answer as it is, if there is one
	err    error
}

var _ rest.ErrorTaker = (*heard)(nil)

func (h *heard) Header() http.Header    { return h.header }
func (h *heard) WriteHeader(status int) { h.status = status }

func (h *heard) Write(b []byte) (int, error) {
	if h.to != nil && h.status < http.StatusMultipleChoices {
		return h.to.Write(b)
	}
	return h.body.Write(b)
}

func (h *heard) TakeError(err error) { h.err = err }
