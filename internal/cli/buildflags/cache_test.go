package buildflags

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cove/engine/builds"
)

func TestCacheFlags(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]builds.Cache{
		"example.com/cache:v1":                                      {Type: builds.CacheRegistry, Ref: "example.com/cache:v1", Tag: "latest"},
		"type=registry,ref=example.com/cache,mode=max":              {Type: builds.CacheRegistry, Ref: "example.com/cache", Tag: "latest", Max: true},
		"type=registry,ref=x,image-manifest=true,ignore-error=true": {Type: builds.CacheRegistry, Ref: "x", Tag: "latest", IgnoreError: true},
		"type=local,dest=dir,tag=main,mode=min":                     {Type: builds.CacheLocal, Dir: "dir", Tag: "main"},
		"type=gha,mode=max,scope=main,token=t,url_v2=http://x/": {
			Type: builds.CacheGHA, Tag: "latest", Max: true, Scope: "main", Token: "t", URL: "http://x/",
		},
		"type=gha":    {Type: builds.CacheGHA, Tag: "latest", Scope: "cove"},
		"type=inline": {Type: builds.CacheInline, Tag: "latest"},
	} {
		got, err := parseCache(text, true)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("--cache-to %s: %v %s", text, err, diff)
		}
	}
	got, err := parseCache("type=local,src=dir,digest=sha256:aa", false)
	if diff := cmp.Diff(builds.Cache{Type: builds.CacheLocal, Dir: "dir", Tag: "sha256:aa"}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	for text, want := range map[string]string{
		"type=s3": "want registry, local, inline or gha", "type=gha,url=http://x/": "url is not supported",
		"type=inline,mounts=true": "no mounts=true", "type=registry,ref=x,mounts-quota=1g": "of mounts=true",
		"type=registry,ref=x,mounts=perhaps": "true or false", "type=registry,ref=x,mounts=true,mounts-quota=-1": "SIZE",
		"type=gha,token=abc,timeout=1": "timeout is not supported", "type=registry,ref=x,scope=a": "scope is not supported",
		"type=registry": "ref=IMAGE", "type=local": "dest=DIRECTORY",
		"type=local,src=x": "src is not supported", "type=registry,ref=x,mode=all": "min or max", "type=inline,mode=max": "no mode=max",
		"type=registry,ref=x,image-manifest=false": "image-manifest=false", "type=registry,ref=x,compression=zstd": "compression is not supported",
		"type=registry,ref": "KEY=VALUE", "type=registry,ref=x,ignore-error=perhaps": "true or false",
	} {
		if _, err := parseCache(text, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--cache-to %s: %v, want %q", text, err, want)
		}
	}
	for text, want := range map[string]string{
		"type=inline": "imported with type=registry", "type=local": "src=DIRECTORY", "type=registry,ref=x,mode=max": "mode is not supported",
	} {
		if _, err := parseCache(text, false); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--cache-from %s: %v, want %q", text, err, want)
		}
	}
}

// TestTokensAreNotShown: an error repeats the flag without the token in it.
func TestTokensAreNotShown(t *testing.T) {
	t.Parallel()
	_, err := Caches([]string{"type=gha,token=abcdef,timeout=1"}, true)
	if err == nil || strings.Contains(err.Error(), "abcdef") || !strings.Contains(err.Error(), "token=***") {
		t.Error(err)
	}
}
