package selector_test

import (
	"errors"
	"testing"

	"cove/errdefs"
	"cove/registry/selector"
)

func TestSelector(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		s          selector.Selector
		repo, tag  string
		repoOK, ok bool
	}{
		{selector.Selector{}, "deep/app", "v1", true, true},
		{selector.Selector{Repositories: "*", Tags: "v*"}, "app", "v1", true, true},
		{selector.Selector{Repositories: "*"}, "deep/app", "v1", false, true},
		{selector.Selector{Repositories: "**/app"}, "deep/er/app", "x", true, true},
		{selector.Selector{Repositories: "**/app"}, "app", "x", true, true},
		{selector.Selector{Tags: "{latest,release-*}"}, "app", "release-2", true, true},
		{selector.Selector{Tags: "{latest,release-*}"}, "app", "nightly", true, false},
		{selector.Selector{Tags: "v*", ExceptTags: true}, "app", "v1", true, false},
		{selector.Selector{Repositories: "dev/**", ExceptRepositories: true}, "dev/app", "v1", false, true},
		{selector.Selector{Tags: "v?"}, "app", "v10", true, false},
	} {
		if got := tc.s.Repository(tc.repo); got != tc.repoOK {
			t.Errorf("%v of repository %s: %v", tc.s, tc.repo, got)
		}
		if got := tc.s.Tag(tc.tag); got != tc.ok {
			t.Errorf("%v of tag %s: %v", tc.s, tc.tag, got)
		}
	}
	for _, bad := range []selector.Selector{
		{Tags: "v1,v2"}, {Repositories: "{a,b}/c,d"}, {Tags: "[a"}, {Repositories: "{a"}, {Tags: string(make([]byte, 300))},
	} {
		if err := bad.Check(); !errors.Is(err, errdefs.ErrInvalid) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	if err := (selector.Selector{Repositories: "a/**", Tags: "{b,{c,d}}?[,]"}).Check(); err != nil {
		t.Error(err)
	}
}
