package harbor_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cove/registry/server/config"
	"cove/registry/web/webtest"
)

// described are the fields of Harbor's objects, as its swagger.yaml (2.12) has them. What the
// façade answers must be among them: a client of Harbor's decodes into these.
var described = map[string][]string{
	"project": {
		"project_id", "owner_id", "name", "registry_id", "creation_time", "update_time", "deleted", "owner_name",
		"togglable", "current_user_role_id", "current_user_role_ids", "repo_count", "metadata", "cve_allowlist",
	},
	"repository": {
		"id", "project_id", "name", "description", "artifact_count", "pull_count", "creation_time", "update_time",
	},
	"artifact": {
		"id", "type", "media_type", "manifest_media_type", "artifact_type", "project_id", "repository_id",
		"repository_name", "digest", "size", "icon", "push_time", "pull_time", "extra_attrs", "annotations",
		"references", "tags", "addition_links", "labels", "scan_overview", "sbom_overview", "accessories",
	},
	"tag": {"id", "repository_id", "artifact_id", "name", "push_time", "pull_time", "immutable", "signed"},
	"accessory": {
		"id", "artifact_id", "subject_artifact_id", "subject_artifact_digest", "subject_artifact_repo", "size",
		"digest", "type", "icon", "creation_time",
	},
	"member": {"id", "project_id", "entity_name", "role_name", "role_id", "entity_id", "entity_type"},
	"user": {
		"email", "realname", "comment", "user_id", "username", "sysadmin_flag", "admin_role_in_auth",
		"oidc_user_meta", "creation_time", "update_time",
	},
	"robot": {
		"id", "name", "description", "secret", "level", "duration", "editable", "disable", "expires_at",
		"permissions", "creator_type", "creator_ref", "creation_time", "update_time",
	},
	"rule": {
		"id", "priority", "disabled", "action", "template", "params", "tag_selectors", "scope_selectors",
	},
	"log": {"id", "username", "resource", "resource_type", "operation", "op_time"},
	"system": {
		"current_time", "with_notary", "banner_message", "auth_mode", "primary_auth_mode", "project_creation_restriction",
		"self_registration", "has_ca_root", "harbor_version", "registry_storage_provider_name", "read_only",
		"notification_enable", "registry_url", "external_url", "oidc_provider_name", "authproxy_settings",
	},
	"statistics": {
		"private_project_count", "private_repo_count", "public_project_count", "public_repo_count",
		"total_project_count", "total_repo_count", "total_storage_consumption",
	},
	"summary": {
		"repo_count", "project_admin_count", "maintainer_count", "developer_count", "guest_count",
		"limited_guest_count", "quota", "registry",
	},
	"deletable": {"deletable", "message"},
	"quota":     {"id", "ref", "hard", "used", "creation_time", "update_time"},
	"webhook": {
		"id", "name", "description", "project_id", "targets", "event_types", "creator", "creation_time", "update_time",
		"enabled",
	},
	"label":      {"id", "name", "description", "color", "creation_time", "update_time", "scope", "project_id"},
	"events":     {"event_type", "notify_type", "payload_formats"},
	"group":      {"id", "group_name", "group_type", "ldap_group_dn"},
	"robot made": {"id", "name", "secret", "creation_time", "expires_at"},
}

// TestShapes holds every answer against the fields that Harbor describes, and against those
// without which its clients fail.
func TestShapes(t *testing.T) {
	c := harborClient{t, webtest.Start(t, config.Config{}), [2]string{"admin", webtest.Password}}
	c.do("POST", "/projects", object{"project_name": "team"}, 201)
	image := c.site.Push(t, "team/app", "v1", webtest.Image{Layers: []map[string]string{{"a": "b"}}})
	c.site.Push(t, "team/app", "", webtest.Image{Subject: &image, Type: "application/vnd.example"})
	c.do("POST", "/users", object{"username": "alice", "password": webtest.Password}, 201)
	c.do("POST", "/projects/team/members", object{"role_id": 2, "member_user": object{"username": "alice"}}, 201)
	c.do("POST", "/usergroups", object{"group_name": "backend"}, 201)
	permission := object{"kind": "project", "namespace": "team", "access": []object{{"resource": "repository", "action": "pull"}}}
	var made map[string]any
	c.do("POST", "/robots", object{"name": "ci", "level": "project", "duration": -1, "permissions": []object{permission}}, 201).into(&made)
	fields(t, "robot made", made, "id", "name", "secret")
	c.do("POST", "/projects/team/immutabletagrules", object{
		"tag_selectors":   []object{{"kind": "doublestar", "decoration": "matches", "pattern": "v*"}},
		"scope_selectors": object{"repository": []object{{"kind": "doublestar", "decoration": "repoMatches", "pattern": "**"}}},
	}, 201)
	c.do("POST", "/labels", object{"name": "stable", "scope": "g"}, 201)
	c.do("POST", "/projects/team/webhook/policies", object{
		"name": "ci", "event_types": []string{"PUSH_ARTIFACT"}, "targets": []object{{"type": "http", "address": "https://ci.example.com/x"}},
	}, 201)
	for _, row := range []struct {
		path, kind string
		needs      []string
	}{
		{"/projects", "project", []string{"project_id", "name", "metadata"}},
		{"/projects/team", "project", []string{"project_id", "name", "metadata", "creation_time"}},
		{"/projects/team/summary", "summary", []string{"repo_count"}},
		{"/projects/team/_deletable", "deletable", []string{"deletable"}},
		{"/projects/team/repositories", "repository", []string{"id", "name", "project_id", "artifact_count"}},
		{"/projects/team/repositories/app", "repository", []string{"id", "name"}},
		{"/projects/team/repositories/app/artifacts", "artifact", []string{"digest", "tags", "push_time", "type"}},
		{"/projects/team/repositories/app/artifacts/v1", "artifact", []string{"digest", "tags", "accessories"}},
		{"/projects/team/repositories/app/artifacts/v1/tags", "tag", []string{"id", "name", "push_time"}},
		{"/projects/team/repositories/app/artifacts/v1/accessories", "accessory", []string{"digest", "type"}},
		{"/projects/team/members", "member", []string{"id", "entity_name", "role_id", "entity_type"}},
		{"/projects/team/robots", "robot", []string{"id", "name", "level", "permissions"}},
		{"/projects/team/immutabletagrules", "rule", []string{"id", "tag_selectors", "scope_selectors"}},
		{"/labels?scope=g", "label", []string{"id", "name", "scope"}},
		{"/quotas", "quota", []string{"id", "ref", "hard", "used"}},
		{"/projects/team/webhook/policies", "webhook", []string{"id", "name", "targets", "event_types", "enabled"}},
		{"/projects/team/webhook/events", "events", []string{"event_type", "notify_type"}},
		{"/projects/team/logs", "log", []string{"operation", "op_time"}},
		{"/audit-logs", "log", []string{"operation", "op_time"}},
		{"/users", "user", []string{"user_id", "username"}},
		{"/usergroups", "group", []string{"id", "group_name", "group_type"}},
		{"/usergroups/search?groupname=back", "group", []string{"id", "group_name", "group_type"}},
		{"/users/current", "user", []string{"user_id", "username", "sysadmin_flag"}},
		{"/systeminfo", "system", []string{"auth_mode", "harbor_version", "registry_url"}},
		{"/statistics", "statistics", []string{"total_project_count"}},
	} {
		reply := c.do("GET", row.path, nil, 200)
		var list []map[string]any
		if err := json.Unmarshal(reply.body, &list); err != nil {
			var one map[string]any
			reply.into(&one)
			list = append(list, one)
		}
		if len(list) == 0 {
			t.Errorf("%s: an empty list", row.path)
		}
		for _, one := range list {
			fields(t, row.kind+" of "+row.path, one, row.needs...)
		}
	}
}

func fields(t *testing.T, what string, one map[string]any, needs ...string) {
	t.Helper()
	kind, _, _ := strings.Cut(what, " of ")
	for name := range one {
		if !slices.Contains(described[kind], name) {
			t.Errorf("%s has the field %q, which Harbor's has not", what, name)
		}
	}
	for _, name := range needs {
		if _, ok := one[name]; !ok {
			t.Errorf("%s has no field %q", what, name)
		}
	}
}

// TestHostileRequests: what no client sends is answered with an error in Harbor's shape,
// and changes nothing.
func TestHostileRequests(t *testing.T) {
	c := harborClient{t, webtest.Start(t, config.Config{}), [2]string{"admin", webtest.Password}}
	c.do("POST", "/projects", object{"project_name": "team"}, 201)
	c.site.Push(t, "team/app", "v1", webtest.Image{})
	before := string(c.do("GET", "/projects/team/repositories/app/artifacts", nil, 200).body)
	const artifact = "/projects/team/repositories/app/artifacts/"
	for _, row := range []struct {
		method, path string
		body         any
		want         int
	}{
		{"GET", "/projects/9223372036854775807", nil, 404},
		{"GET", "/projects/-1", nil, 404},
		{"GET", "/projects/99999999999999999999999", nil, 404},
		{"GET", "/projects/team%2Fapp", nil, 400},
		{"GET", "/projects/%00", nil, 400},
		{"GET", "/projects/%ff", nil, 400},
		{"GET", "/projects/team/repositories/..%2F..%2Flibrary", nil, 400},
		{"GET", "/projects/team/repositories/%252e%252e", nil, 400},
		{"GET", "/projects/team/repositories/app%25", nil, 400},
		{"GET", "/projects/team/repositories/APP", nil, 400},
		{"GET", artifact + "sha256:xyz", nil, 400},
		{"GET", artifact + "v1%00", nil, 400},
		{"POST", artifact + "v1/tags", object{"name": "../x"}, 400},
		{"POST", artifact + "v1/tags", object{"name": ""}, 400},
		{"POST", artifact + "v1/tags", object{"name": strings.Repeat("x", 300)}, 400},
		{"DELETE", artifact + "v1/tags/v2", nil, 404},
		{"GET", "/projects?page=0", nil, 400},
		{"GET", "/projects?page=-1", nil, 400},
		{"GET", "/projects?page_size=1000000", nil, 400},
		{"GET", "/projects?page=99999999999", nil, 400},
		{"GET", "/projects?q=name", nil, 400},
		{"GET", "/projects?q=name=~%25%25%25", nil, 200},
		{"GET", "/projects?q=name=~'%3B--", nil, 200},
		{"GET", "/projects?public=perhaps", nil, 400},
		{"GET", "/users/alice", nil, 400},
		{"GET", "/users/0", nil, 404},
		{"DELETE", "/users/0", nil, 404},
		{"GET", "/robots/x", nil, 400},
		{"GET", "/robots?q=Level=project", nil, 400},
		{"GET", "/robots?q=ProjectID=0", nil, 404},
		{"POST", "/robots", object{"name": "x", "level": "project", "duration": -1}, 400},
		{"POST", "/robots", object{"name": "x", "level": "galaxy", "duration": -1, "permissions": []object{{"kind": "project", "namespace": "team"}}}, 400},
		{"POST", "/robots", object{"name": "x", "level": "project", "duration": 0, "permissions": []object{{
			"kind": "project", "namespace": "team", "access": []object{{"resource": "repository", "action": "pull"}},
		}}}, 400},
		{"POST", "/robots", object{"name": "x", "level": "project", "duration": -1, "secret": "Chosen1234", "permissions": []object{{
			"kind": "project", "namespace": "team", "access": []object{{"resource": "repository", "action": "pull"}},
		}}}, 501},
		{"POST", "/robots", object{"name": "x", "level": "system", "duration": -1, "permissions": []object{
			{"kind": "project", "namespace": "team", "access": []object{{"resource": "repository", "action": "pull"}}},
			{"kind": "project", "namespace": "library", "access": []object{{"resource": "repository", "action": "push"}}},
		}}, 501},
		{"POST", "/projects/team/members", object{"role_id": 2}, 400},
		{"POST", "/projects/team/members", object{"role_id": 2, "member_user": object{"user_id": 7}}, 404},
		{"POST", "/projects/team/members", object{"role_id": 2, "member_group": object{"ldap_group_dn": "cn=x"}}, 501},
		{"DELETE", "/projects/team/members/7", nil, 404},
		{"POST", "/projects/team/immutabletagrules", object{}, 501},
		{"DELETE", "/projects/team/immutabletagrules/7", nil, 404},
		{"GET", "/search", nil, 400},
		{"GET", "/audit-logs?page=200&page_size=100", nil, 400},
		{"GET", "/nowhere", nil, 404},
		{"PUT", "/ping", nil, 405},
	} {
		reply := c.do(row.method, row.path, row.body, row.want)
		var problems struct {
			Errors []struct{ Code, Message string }
		}
		if row.want >= http.StatusBadRequest {
			if reply.into(&problems); len(problems.Errors) != 1 || problems.Errors[0].Code == "" || problems.Errors[0].Message == "" {
				t.Errorf("%s %s: %s", row.method, row.path, reply.body)
			}
		}
	}
	if after := string(c.do("GET", "/projects/team/repositories/app/artifacts", nil, 200).body); after != before {
		t.Errorf("what was there has changed:\n%s\n%s", before, after)
	}
}

// TestEveryPageOfAList walks lists by Link, as clients do, and finds each entry once.
func TestEveryPageOfAList(t *testing.T) {
	c := harborClient{t, webtest.Start(t, config.Config{}), [2]string{"admin", webtest.Password}}
	const many = 23
	c.do("POST", "/projects", object{"project_name": "team"}, 201)
	for i := range many {
		c.site.Push(t, fmt.Sprintf("team/app-%02d", i), "v1", webtest.Image{})
		c.site.Push(t, "team/all", fmt.Sprintf("v%02d", i), webtest.Image{Layers: []map[string]string{{"n": fmt.Sprint(i)}}})
	}
	for path, field := range map[string]string{
		"/projects/team/repositories?q=name=~app-": "name", "/projects/team/repositories/all/artifacts": "digest",
	} {
		seen, pages := map[any]bool{}, 0
		for next := path; next != ""; pages++ {
			if pages == 0 {
				next += map[bool]string{true: "&", false: "?"}[strings.Contains(next, "?")] + "page_size=5"
			}
			reply := c.do("GET", next, nil, 200)
			if total := reply.header.Get("X-Total-Count"); total != fmt.Sprint(many) {
				t.Errorf("%s: X-Total-Count %s", next, total)
			}
			var list []map[string]any
			reply.into(&list)
			for _, one := range list {
				if seen[one[field]] {
					t.Errorf("%s: %v comes twice", next, one[field])
				}
				seen[one[field]] = true
			}
			next = ""
			for _, link := range strings.Split(reply.header.Get("Link"), ", ") {
				if target, ok := strings.CutSuffix(link, `>; rel="next"`); ok {
					next = strings.TrimPrefix(target, "</api/v2.0")
				}
			}
		}
		if len(seen) != many || pages != 5 {
			t.Errorf("%s: %d entries on %d pages", path, len(seen), pages)
		}
	}
}
