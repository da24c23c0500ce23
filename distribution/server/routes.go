package server

import (
	"context"
	"net/http"

	"cove/distribution"
	"cove/distribution/errcode"
)

// handler answers one route. ctx is the Authorizer's. An error it returns is
// answered by the server; once it has begun the answer itself it returns nil,
// or errCut.
type handler func(s *server, ctx context.Context, w http.ResponseWriter, r *http.Request, t target) error

// route is one row: which requests, about what, needing which right, answered
// by whom.
type route struct {
	end     endpoint
	method  string
	object  errcode.Object
	actions []distribution.Action // of the repository in the path; never nil
	handle  handler
}

// routes is the whole protocol. The base endpoint asks for no action, which
// still lets the Authorizer ask who is there: clients take its 401 as the
// invitation to sign in. The catalog is a pull of the registry as a whole.
func routes() []route {
	var (
		anyone = []distribution.Action{}
		pull   = []distribution.Action{distribution.Pull}
		push   = []distribution.Action{distribution.Pull, distribution.Push}
		del    = []distribution.Action{distribution.Delete}
	)
	const (
		get, head, put  = http.MethodGet, http.MethodHead, http.MethodPut
		post, patch, rm = http.MethodPost, http.MethodPatch, http.MethodDelete
	)
	return []route{
		{baseEnd, get, errcode.Registry, anyone, (*server).base},
		{baseEnd, head, errcode.Registry, anyone, (*server).base},
		{catalogEnd, get, errcode.Registry, pull, (*server).catalog},
		{catalogEnd, head, errcode.Registry, pull, (*server).catalog},
		{tagsEnd, get, errcode.Repository, pull, (*server).tags},
		{tagsEnd, head, errcode.Repository, pull, (*server).tags},
		{referrerEnd, get, errcode.Manifest, pull, (*server).referrers},
		{referrerEnd, head, errcode.Manifest, pull, (*server).referrers},

		{manifestEnd, get, errcode.Manifest, pull, (*server).getManifest},
		{manifestEnd, head, errcode.Manifest, pull, (*server).headManifest},
		{manifestEnd, put, errcode.Manifest, push, (*server).putManifest},
		{manifestEnd, rm, errcode.Manifest, del, (*server).deleteManifest},

		{blobEnd, get, errcode.Blob, pull, (*server).getBlob},
		{blobEnd, head, errcode.Blob, pull, (*server).headBlob},
		{blobEnd, rm, errcode.Blob, del, (*server).deleteBlob},

		{uploadsEnd, post, errcode.Upload, push, (*server).startUpload},
		{uploadEnd, get, errcode.Upload, push, (*server).uploadStatus},
		{uploadEnd, patch, errcode.Upload, push, (*server).patchUpload},
		{uploadEnd, put, errcode.Upload, push, (*server).finishUpload},
		{uploadEnd, rm, errcode.Upload, push, (*server).cancelUpload},
	}
}

// Route is one row of the protocol as others see it.
type Route struct {
	Method string
	// Path has its parts in braces: {name}, {reference}, {digest}, {upload}.
	Path string
	// Actions are what the Authorizer is asked for: in the repository {name}, or,
	// where the path has none, in the registry as a whole. Without any it is asked
	// only who is there.
	Actions []distribution.Action
	// Object is what the request is about.
	Object errcode.Object
}

// Routes lists the whole protocol, for a policy to be held against.
func Routes() []Route {
	var all []Route
	for _, rt := range routes() {
		all = append(all, Route{rt.method, rt.end.String(), rt.actions, rt.object})
	}
	return all
}

// lenient is the answer for a malformed path. Reading what cannot exist is a
// plain "not found", which the conformance suite of the specification asks
// for; writing it is the client's mistake.
func (rt route) lenient(bad *errcode.Error) *errcode.Error {
	if rt.method != http.MethodPut && bad.Code == errcode.TagInvalid {
		return errcode.New(http.StatusNotFound, errcode.ManifestUnknown, "manifest unknown")
	}
	return bad
}

func (s *server) base(_ context.Context, w http.ResponseWriter, _ *http.Request, _ target) error {
	return writeJSON(w, "application/json", struct{}{})
}
