package progress

import (
	"bytes"
	"errors"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"cove/distribution/progress"
	"cove/reference"
)

// TestImages plays pulls and pushes: each begins and ends for itself, and what is told
// outside of them is not shown.
func TestImages(t *testing.T) {
	t.Parallel()
	layer := ocispec.Descriptor{Digest: digest.FromString("layer"), Size: 10}
	image := ocispec.Descriptor{Digest: digest.FromString("image")}
	short := layer.Digest.Encoded()[:12]
	ref := func(name string) reference.Reference {
		r, err := reference.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	redis, app := ref("redis:7"), ref("harbor:85/team/app")
	byDigest := ref("redis@" + image.Digest.String())
	for name, tt := range map[string]struct {
		push   bool
		events []progress.Event
		want   string
	}{
		"nothing is moved": {false, []progress.Event{
			{Kind: progress.Waiting, Desc: layer}, {Kind: progress.Complete, Desc: layer},
		}, ""},
		"a pull": {false, []progress.Event{
			{Kind: progress.Begun, Ref: redis},
			{Kind: progress.Resolved, Desc: image},
			{Kind: progress.Waiting, Desc: layer},
			{Kind: progress.Complete, Desc: layer},
			{Kind: progress.Ended, Ref: redis, Desc: image, Newer: true},
			{Kind: progress.Complete, Desc: layer},
		}, "7: Pulling from library/redis\n" + short + ": Pull complete\nDigest: " + image.Digest.String() +
			"\nStatus: Downloaded newer image for redis:7\n"},
		"a pull of what is here": {false, []progress.Event{
			{Kind: progress.Begun, Ref: app},
			{Kind: progress.AlreadyExists, Desc: layer},
			{Kind: progress.Ended, Ref: app, Desc: image},
		}, "latest: Pulling from team/app\n" + short + ": Already exists\nDigest: " + image.Digest.String() +
			"\nStatus: Image is up to date for harbor:85/team/app:latest\n"},
		"a pull by digest that fails": {false, []progress.Event{
			{Kind: progress.Begun, Ref: byDigest},
			{Kind: progress.Ended, Ref: byDigest, Err: errors.New("no such image")},
		}, image.Digest.String() + ": Pulling from library/redis\n"},
		"two pushes": {true, []progress.Event{
			{Kind: progress.Begun, Ref: app},
			{Kind: progress.Pushed, Desc: layer},
			{Kind: progress.Ended, Ref: app, Desc: image},
			{Kind: progress.Begun, Ref: redis},
			{Kind: progress.AlreadyExists, Desc: layer},
			{Kind: progress.Ended, Ref: redis, Desc: image},
		}, "The push refers to repository [harbor:85/team/app]\n" + short + ": Pushed\n" +
			"The push refers to repository [docker.io/library/redis]\n" + short + ": Layer already exists\n"},
	} {
		var out bytes.Buffer
		show := NewPull(&out)
		if tt.push {
			show = NewPush(&out)
		}
		for _, e := range tt.events {
			show.Event(e)
		}
		if out.String() != tt.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, out.String(), tt.want)
		}
	}
}
