package harbor

import (
	"strings"
	"testing"
	"time"

	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/artifact"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/member"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/project"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/scan"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/usergroup"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/models"
)

func TestCopy(t *testing.T) {
	c, ctx := client(t), t.Context()
	must(c.Project.CreateProject(ctx, &project.CreateProjectParams{Project: &models.ProjectReq{ProjectName: "copies"}}))(t)
	of := must(c.Artifact.GetArtifact(ctx, &artifact.GetArtifactParams{
		ProjectName: "team", RepositoryName: "other", Reference: "v2",
	}))(t).Payload
	made := must(c.Artifact.CopyArtifact(ctx, &artifact.CopyArtifactParams{
		ProjectName: "copies", RepositoryName: "deep%2Fapp", From: "team/other:v2",
	}))(t)
	has(t, made.Location, "/projects/copies/repositories/deep%252Fapp/artifacts/"+of.Digest)
	got := must(c.Artifact.GetArtifact(ctx, &artifact.GetArtifactParams{
		ProjectName: "copies", RepositoryName: "deep%2Fapp", Reference: "v2",
	}))(t).Payload
	want(t, "the digest of the copy", got.Digest, of.Digest)
	want(t, "how many tags it has", len(got.Tags), len(of.Tags))
	must(c.Artifact.CopyArtifact(ctx, &artifact.CopyArtifactParams{
		ProjectName: "copies", RepositoryName: "by-digest", From: "team/other@" + of.Digest,
	}))(t)
	for _, from := range []string{"team/other:absent", "absent/other:v2", "", "team/other"} {
		_, err := c.Artifact.CopyArtifact(ctx, &artifact.CopyArtifactParams{
			ProjectName: "copies", RepositoryName: "app", From: from,
		})
		refused(t, "a copy from "+from, err)
	}
}

// awaitScan asks, as pipelines do, until a scan has come to its end.
func awaitScan(t *testing.T, reference string) models.NativeReportSummary {
	t.Helper()
	c, yes := client(t), true
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		a := must(c.Artifact.GetArtifact(t.Context(), &artifact.GetArtifactParams{
			ProjectName: "team", RepositoryName: "app", Reference: reference, WithScanOverview: &yes,
		}))(t).Payload
		for _, one := range a.ScanOverview {
			if one.ScanStatus == "Success" || one.ScanStatus == "Error" {
				return one
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the scan does not end: %+v", a.ScanOverview)
		}
	}
}

func TestScan(t *testing.T) {
	c, ctx := client(t), t.Context()
	plain := must(c.Artifact.GetArtifact(ctx, &artifact.GetArtifactParams{
		ProjectName: "team", RepositoryName: "app", Reference: "v1",
	}))(t).Payload
	want(t, "overviews that nobody asked for", len(plain.ScanOverview), 0)
	must(c.Scan.ScanArtifact(ctx, &scan.ScanArtifactParams{ProjectName: "team", RepositoryName: "app", Reference: "v1"}))(t)
	one := awaitScan(t, "v1")
	want(t, "the status", one.ScanStatus, "Success")
	want(t, "what is scanned by then", one.CompletePercent, 100)
	if one.Scanner == nil || one.Summary == nil || time.Time(one.EndTime).IsZero() {
		t.Errorf("the summary: %+v", one)
	}
	must(c.Scan.ScanArtifact(ctx, &scan.ScanArtifactParams{
		ProjectName: "team", RepositoryName: "app", Reference: "v1", ScanType: &models.ScanType{ScanType: "vulnerability"},
	}))(t)
	_, err := c.Scan.ScanArtifact(ctx, &scan.ScanArtifactParams{
		ProjectName: "team", RepositoryName: "app", Reference: "v1", ScanType: &models.ScanType{ScanType: "sbom"},
	})
	refused(t, "a bill of materials", err)
	_, err = c.Scan.ScanArtifact(ctx, &scan.ScanArtifactParams{ProjectName: "team", RepositoryName: "app", Reference: "absent"})
	refused(t, "a scan of what is not there", err)
}

func TestUserGroups(t *testing.T) {
	c, ctx := client(t), t.Context()
	made := must(c.Usergroup.CreateUserGroup(ctx, &usergroup.CreateUserGroupParams{
		Usergroup: &models.UserGroup{GroupName: "platform", GroupType: 2},
	}))(t)
	id := number(t, made.Location)
	_, err := c.Usergroup.CreateUserGroup(ctx, &usergroup.CreateUserGroupParams{
		Usergroup: &models.UserGroup{GroupName: "platform", GroupType: 2},
	})
	refused(t, "a second group of a name", err)
	for what, g := range map[string]*models.UserGroup{
		"a group of another kind": {GroupName: "x", GroupType: 3}, "one by its DN": {GroupName: "x", LdapGroupDn: "cn=x"}, "none": {},
	} {
		_, err := c.Usergroup.CreateUserGroup(ctx, &usergroup.CreateUserGroupParams{Usergroup: g})
		refused(t, what, err)
	}
	got := must(c.Usergroup.GetUserGroup(ctx, &usergroup.GetUserGroupParams{GroupID: id}))(t).Payload
	want(t, "the group", *got, models.UserGroup{ID: id, GroupName: "platform", GroupType: 2})
	part := "PLAT"
	list := must(c.Usergroup.ListUserGroups(ctx, &usergroup.ListUserGroupsParams{GroupName: &part}))(t).Payload
	want(t, "how many are listed", len(list), 1)
	found := must(c.Usergroup.SearchUserGroups(ctx, &usergroup.SearchUserGroupsParams{Groupname: "form"}))(t).Payload
	want(t, "how many are found", len(found), 1)
	must(c.Usergroup.UpdateUserGroup(ctx, &usergroup.UpdateUserGroupParams{GroupID: id, Usergroup: got}))(t)
	_, err = c.Usergroup.UpdateUserGroup(ctx, &usergroup.UpdateUserGroupParams{
		GroupID: id, Usergroup: &models.UserGroup{GroupName: "another"},
	})
	refused(t, "another name", err)

	in := must(c.Member.CreateProjectMember(ctx, &member.CreateProjectMemberParams{
		ProjectNameOrID: "team", ProjectMember: &models.ProjectMember{RoleID: 2, MemberGroup: &models.UserGroup{ID: id}},
	}))(t)
	has(t, in.Location, "/projects/team/members/")
	m := must(c.Member.GetProjectMember(ctx, &member.GetProjectMemberParams{
		ProjectNameOrID: "team", Mid: number(t, in.Location),
	}))(t).Payload
	want(t, "the member", strings.Join([]string{m.EntityName, m.EntityType, m.RoleName}, " "), "platform g developer")
	must(c.Usergroup.DeleteUserGroup(ctx, &usergroup.DeleteUserGroupParams{GroupID: id}))(t)
	_, err = c.Usergroup.GetUserGroup(ctx, &usergroup.GetUserGroupParams{GroupID: id})
	refused(t, "a group that is gone", err)
}
