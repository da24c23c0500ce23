package server

import (
	"reflect"
	"strings"
	"testing"

	"cove/reference"
)

func TestParsePath(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]target{
		"/v2":                                  {end: baseEnd},
		"/v2/":                                 {end: baseEnd},
		"/v2/_catalog":                         {end: catalogEnd},
		"/v2/a/tags/list":                      {end: tagsEnd, repo: "a", ref: "list"},
		"/v2/a/b/c/manifests/latest":           {end: manifestEnd, repo: "a/b/c", ref: "latest"},
		"/v2/a/manifests/" + someDigest:        {end: manifestEnd, repo: "a", ref: someDigest, dgst: someDigest},
		"/v2/a/blobs/" + someDigest:            {end: blobEnd, repo: "a", ref: someDigest, dgst: someDigest},
		"/v2/a/referrers/" + someDigest:        {end: referrerEnd, repo: "a", ref: someDigest, dgst: someDigest},
		"/v2/a/blobs/uploads/":                 {end: uploadsEnd, repo: "a"},
		"/v2/a/blobs/uploads":                  {end: uploadsEnd, repo: "a"},
		"/v2/a/blobs/uploads/id-1_=.x":         {end: uploadEnd, repo: "a", ref: "id-1_=.x"},
		"/v2/a/blobs/uploads/manifests/latest": {end: manifestEnd, repo: "a/blobs/uploads", ref: "latest"},
		"/v2/manifests/manifests/manifests":    {end: manifestEnd, repo: "manifests", ref: "manifests"},
		"/v2/tags/list/tags/list":              {end: tagsEnd, repo: "tags/list", ref: "list"},
		"/v2/a/blobs/blobs/uploads/":           {end: uploadsEnd, repo: "a/blobs"},
	} {
		got, ok, err := parsePath(path)
		if !ok || err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s = %+v, %v, %v; want %+v", path, got, ok, err, want)
		}
	}
	for _, path := range []string{
		"", "/", "/v1/", "/v2x", "/v2_catalog", "/v2//", "/v2/a", "/v2/a/b", "/v2/a/tags/lists", "/v2/tags/list",
		"/v2/a/uploads/x", "/v2/a/manifest/x", "/v2/_catalog/",
	} {
		if got, ok, _ := parsePath(path); ok {
			t.Errorf("%s is taken for %+v", path, got)
		}
	}
	for path, code := range map[string]string{
		"/v2/A/tags/list":                                 "NAME_INVALID",
		"/v2/a//b/tags/list":                              "NAME_INVALID",
		"/v2/../b/tags/list":                              "NAME_INVALID",
		"/v2/a/./tags/list":                               "NAME_INVALID",
		"/v2/a b/tags/list":                               "NAME_INVALID",
		"/v2/a\x00/tags/list":                             "NAME_INVALID",
		"/v2//manifests/x":                                "NAME_INVALID",
		"/v2/a/manifests/":                                "TAG_INVALID",
		"/v2/a/manifests/.x":                              "TAG_INVALID",
		"/v2/a/manifests/a:b":                             "DIGEST_INVALID",
		"/v2/a/blobs/x":                                   "DIGEST_INVALID",
		"/v2/a/blobs/sha256:":                             "DIGEST_INVALID",
		"/v2/a/blobs/" + strings.ToUpper(someDigest):      "DIGEST_INVALID",
		"/v2/a/blobs/uploads/..":                          "BLOB_UPLOAD_UNKNOWN",
		"/v2/a/blobs/uploads/%2e":                         "BLOB_UPLOAD_UNKNOWN",
		"/v2/a/blobs/uploads/" + strings.Repeat("x", 300): "BLOB_UPLOAD_UNKNOWN",
	} {
		if _, ok, err := parsePath(path); !ok || err == nil || string(err.Code) != code {
			t.Errorf("%s: %v, %v; want %s", path, ok, err, code)
		}
	}
}

// FuzzParsePath: whatever gets through is within the grammars, and writing it
// down gives the path back.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"/v2/", "/v2/a/b/manifests/x", "/v2/a/blobs/" + someDigest, "/v2/a/blobs/uploads/x", "/v2/a/blobs/uploads/", "/v2/a/../b/tags/list"} {
		f.Add(s)
	}
	words := map[endpoint]string{manifestEnd: "/manifests/", blobEnd: "/blobs/", referrerEnd: "/referrers/", uploadEnd: "/blobs/uploads/", tagsEnd: "/tags/", uploadsEnd: "/blobs/uploads/"}
	f.Fuzz(func(t *testing.T, path string) {
		got, ok, err := parsePath(path)
		if !ok || err != nil || got.end == baseEnd || got.end == catalogEnd {
			return
		}
		if !reference.ValidRepository(got.repo) || strings.Contains(got.repo, "..") {
			t.Errorf("%q gives repository %q", path, got.repo)
		}
		if strings.ContainsAny(got.ref, "/\\\x00") || strings.HasPrefix(got.ref, ".") {
			t.Errorf("%q gives reference %q", path, got.ref)
		}
		if back := "/v2/" + got.repo + words[got.end] + got.ref; back != path && back != path+"/" {
			t.Errorf("%q reads as %q", path, back)
		}
	})
}
