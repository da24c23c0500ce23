package people

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"cove/errdefs"
	"cove/registry/auth/rights"
	"cove/registry/harbor/shape"
	"cove/registry/metadata/people"
	"cove/registry/robots"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func permission(kind, namespace string, access ...string) shape.Permission {
	p := shape.Permission{Kind: kind, Namespace: namespace}
	for i := 0; i+1 < len(access); i += 2 {
		p.Access = append(p.Access, shape.Access{Resource: access[i], Action: access[i+1]})
	}
	return p
}

// TestSpecs: what a request describes is the robot that is made, or is refused.
func TestSpecs(t *testing.T) {
	t.Parallel()
	pull := permission("project", "team", "repository", "pull")
	denied := permission("project", "team", "repository", "pull")
	denied.Access[0].Effect = "deny"
	for name, tc := range map[string]struct {
		in   shape.RobotRequest
		want robots.Spec
		kind error
	}{
		"of a project": {
			in: shape.RobotRequest{Name: "ci", Level: "project", Duration: 7, Permissions: []shape.Permission{pull}},
			want: robots.Spec{
				Name: "ci", Project: "team", Rights: []string{"repository:pull"}, ExpiresAt: now.Add(7 * 24 * time.Hour),
			},
		},
		"of the registry, everywhere": {
			in: shape.RobotRequest{
				Name: "ci", Level: "system", Duration: -1, Permissions: []shape.Permission{permission("project", "*", "repository", "pull")},
			},
			want: robots.Spec{Name: "ci", Rights: []string{"repository:pull"}, Repositories: []string{"*"}},
		},
		"of the registry, in two projects": {
			in: shape.RobotRequest{Name: "ci", Level: "system", Duration: -1, Permissions: []shape.Permission{
				permission("project", "a", "repository", "push", "repository", "pull", "repository", "pull"),
				permission("project", "b", "repository", "pull", "repository", "push"),
			}},
			want: robots.Spec{Name: "ci", Rights: []string{"repository:pull", "repository:push"}, Repositories: []string{"a/*", "b/*"}},
		},
		"rights that differ": {in: shape.RobotRequest{Level: "system", Duration: -1, Permissions: []shape.Permission{
			pull, permission("project", "b", "repository", "push"),
		}}, kind: errdefs.ErrUnsupported},
		"of two projects":      {in: shape.RobotRequest{Level: "project", Duration: -1, Permissions: []shape.Permission{pull, pull}}, kind: errdefs.ErrInvalid},
		"towards the system":   {in: shape.RobotRequest{Level: "system", Duration: -1, Permissions: []shape.Permission{permission("system", "/", "user", "list")}}, kind: errdefs.ErrUnsupported},
		"a deny":               {in: shape.RobotRequest{Level: "project", Duration: -1, Permissions: []shape.Permission{denied}}, kind: errdefs.ErrUnsupported},
		"a right of nobody":    {in: shape.RobotRequest{Level: "project", Duration: -1, Permissions: []shape.Permission{permission("project", "team", "moon", "land")}}, kind: errdefs.ErrUnsupported},
		"for no time":          {in: shape.RobotRequest{Level: "project", Permissions: []shape.Permission{pull}}, kind: errdefs.ErrInvalid},
		"without permissions":  {in: shape.RobotRequest{Level: "project", Duration: -1}, kind: errdefs.ErrInvalid},
		"with a chosen secret": {in: shape.RobotRequest{Level: "project", Duration: -1, Secret: "x", Permissions: []shape.Permission{pull}}, kind: errdefs.ErrUnsupported},
	} {
		got, err := specOf(tc.in, now)
		if tc.kind != nil {
			if !errors.Is(err, tc.kind) {
				t.Errorf("%s: %v, want %v", name, err, tc.kind)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, tc.want)
		}
	}
}

// TestPermissions: a robot that another way made is shown with all that it may.
func TestPermissions(t *testing.T) {
	t.Parallel()
	grant := func(globs ...string) (all []people.Membership) {
		for _, glob := range globs {
			all = append(all, people.Membership{Grant: people.Grant{
				Rights: rights.NewSet(rights.Pull).String(), Repositories: glob,
			}})
		}
		return all
	}
	for name, tc := range map[string]struct {
		robot robots.Robot
		want  []string
	}{
		"in a project":            {robots.Robot{Project: "team", Grants: grant("*")}, []string{"team"}},
		"in some repositories":    {robots.Robot{Project: "team", Grants: grant("web-*")}, []string{"team/web-*"}},
		"everywhere":              {robots.Robot{Grants: grant("*")}, []string{"*"}},
		"in two projects":         {robots.Robot{Grants: grant("a/*", "b/*")}, []string{"a", "b"}},
		"in repositories of them": {robots.Robot{Grants: grant("a/web-*")}, []string{"a/web-*"}},
	} {
		var got []string
		for _, p := range permissionsOf(tc.robot) {
			got = append(got, p.Namespace)
			if len(p.Access) == 0 || p.Access[0] != (shape.Access{Resource: "repository", Action: "pull", Effect: "allow"}) {
				t.Errorf("%s: %+v", name, p.Access)
			}
		}
		if !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %v, want %v", name, got, tc.want)
		}
	}
	shown := robotOf(robots.Robot{User: people.User{CreatedAt: now, ExpiresAt: now.Add(90 * 24 * time.Hour)}})
	if shown.Duration != 90 || shown.Expires != now.Unix()+90*24*3600 || shown.Level != "system" {
		t.Errorf("%+v", shown)
	}
}
