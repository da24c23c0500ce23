package harbor

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	sdk "github.com/goharbor/go-client/pkg/harbor"
	v2client "github.com/goharbor/go-client/pkg/sdk/v2.0/client"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/artifact"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/immutable"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/label"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/project"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/registry"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/replication"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/repository"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/retention"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/client/robot"
	"github.com/goharbor/go-client/pkg/sdk/v2.0/models"
)

// What who serves the registry tells these tests: where it is, and a password of admin's.
// The project "team" has the repository "app", with the tags v1, v2 and v3 of three images.
const (
	urlVar      = "COVE_HARBOR_URL"
	passwordVar = "COVE_HARBOR_PASSWORD"
)

func client(t *testing.T) *v2client.HarborAPI {
	t.Helper()
	if os.Getenv(urlVar) == "" {
		t.Skipf("%s is not set: TestHarborsGoClient of registry/harbor runs this", urlVar)
	}
	set, err := sdk.NewClientSet(&sdk.ClientSetConfig{
		URL: os.Getenv(urlVar), Username: "admin", Password: os.Getenv(passwordVar), Insecure: true,
	})
	done(t, err)
	return set.V2()
}

// must is the value of a call that may not fail: must(f())(t).
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func done(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s is %v, want %v", what, got, want)
	}
}

// refused wants an error with a text of the answer in it.
func refused(t *testing.T, what string, err error) {
	t.Helper()
	if err == nil {
		t.Errorf("%s is not refused", what)
	}
}

func has(t *testing.T, text, part string) {
	t.Helper()
	if !strings.Contains(text, part) {
		t.Errorf("%q is not in %q", part, text)
	}
}

// number is the one at the end of a Location.
func number(t *testing.T, location string) int64 {
	t.Helper()
	return must(strconv.ParseInt(location[strings.LastIndex(location, "/")+1:], 10, 64))(t)
}

func team(t *testing.T, c *v2client.HarborAPI) int64 {
	t.Helper()
	named := true
	return int64(must(c.Project.GetProject(t.Context(), &project.GetProjectParams{
		ProjectNameOrID: "team", XIsResourceName: &named,
	}))(t).Payload.ProjectID)
}

func TestRetention(t *testing.T) {
	c, ctx := client(t), t.Context()
	id := team(t, c)
	terms := must(c.Retention.GetRentenitionMetadata(ctx, &retention.GetRentenitionMetadataParams{}))(t).Payload
	if len(terms.Templates) < 7 || len(terms.TagSelectors) != 2 { // by name, and by label
		t.Errorf("the words of rules: %d templates, %d selectors", len(terms.Templates), len(terms.TagSelectors))
	}
	rule := func(template string, n int) *models.RetentionRule {
		r := &models.RetentionRule{
			Action: "retain", Template: template, Params: map[string]interface{}{template: n},
			TagSelectors: []*models.RetentionSelector{{
				Kind: "doublestar", Decoration: "matches", Pattern: "**", Extras: `{"untagged":true}`,
			}},
			ScopeSelectors: map[string][]models.RetentionSelector{"repository": {{
				Kind: "doublestar", Decoration: "repoMatches", Pattern: "app",
			}}},
		}
		if template == "always" {
			r.Params = map[string]interface{}{}
		}
		return r
	}
	policy := &models.RetentionPolicy{
		Algorithm: "or", Scope: &models.RetentionPolicyScope{Level: "project", Ref: id},
		Trigger: &models.RetentionRuleTrigger{Kind: "Schedule", Settings: map[string]string{"cron": "0 30 3 * * 0"}},
		Rules:   []*models.RetentionRule{rule("latestPushedK", 1), rule("nDaysSinceLastPull", 5)},
	}
	made := must(c.Retention.CreateRetention(ctx, &retention.CreateRetentionParams{Policy: policy}))(t)
	want(t, "the policy's number", number(t, made.Location), id)
	_, err := c.Retention.CreateRetention(ctx, &retention.CreateRetentionParams{Policy: policy})
	refused(t, "a second policy", err)
	named := true
	shown := must(c.Project.GetProject(ctx, &project.GetProjectParams{ProjectNameOrID: "team", XIsResourceName: &named}))(t)
	want(t, "the project's retention_id", *shown.Payload.Metadata.RetentionID, strconv.FormatInt(id, 10))

	got := must(c.Retention.GetRetention(ctx, &retention.GetRetentionParams{ID: id}))(t).Payload
	want(t, "the number of rules", len(got.Rules), 2)
	want(t, "the first template", got.Rules[0].Template, "latestPushedK")
	want(t, "the pattern", got.Rules[0].ScopeSelectors["repository"][0].Pattern, "app")
	want(t, "the extras", got.Rules[0].TagSelectors[0].Extras, `{"untagged":true}`)
	got.Rules[1] = rule("nDaysSinceLastPush", 400)
	must(c.Retention.UpdateRetention(ctx, &retention.UpdateRetentionParams{ID: id, Policy: got}))(t)
	again := must(c.Retention.GetRetention(ctx, &retention.GetRetentionParams{ID: id}))(t).Payload
	want(t, "the changed template", again.Rules[1].Template, "nDaysSinceLastPush")
	want(t, "the rule that stays", again.Rules[0].ID, got.Rules[0].ID)
	got.Rules[1].Disabled = true
	_, err = c.Retention.UpdateRetention(ctx, &retention.UpdateRetentionParams{ID: id, Policy: got})
	refused(t, "a disabled rule", err)

	keepOne := *again
	keepOne.Rules = []*models.RetentionRule{rule("latestPushedK", 1)}
	must(c.Retention.UpdateRetention(ctx, &retention.UpdateRetentionParams{ID: id, Policy: &keepOne}))(t)
	for _, dry := range []bool{true, false} {
		_, run, err := c.Retention.TriggerRetentionExecution(ctx, &retention.TriggerRetentionExecutionParams{
			ID: id, Body: retention.TriggerRetentionExecutionBody{DryRun: dry},
		})
		done(t, err)
		execution := ended(t, c, id, number(t, run.Location))
		want(t, "the run", execution.Status, "Success")
		want(t, "its dry run", execution.DryRun, dry)
		task := must(c.Retention.ListRetentionTasks(ctx, &retention.ListRetentionTasksParams{ID: id, Eid: execution.ID}))(t).Payload[0]
		want(t, "the total", task.Total, 3)
		want(t, "the retained", task.Retained, 1)
		log := must(c.Retention.GetRetentionTaskLog(ctx, &retention.GetRetentionTaskLogParams{
			ID: id, Eid: execution.ID, Tid: task.ID,
		}))(t).Payload
		has(t, log, "deleted 2 artifacts")
		list := must(c.Artifact.ListArtifacts(ctx, &artifact.ListArtifactsParams{ProjectName: "team", RepositoryName: "app"}))(t)
		want(t, "how many are left", list.XTotalCount, map[bool]int64{true: 3, false: 1}[dry])
	}
	must(c.Retention.DeleteRetention(ctx, &retention.DeleteRetentionParams{ID: id}))(t)
	_, err = c.Retention.GetRetention(ctx, &retention.GetRetentionParams{ID: id})
	refused(t, "a policy that was removed", err)
}

// ended waits for a run.
func ended(t *testing.T, c *v2client.HarborAPI, id, run int64) *models.RetentionExecution {
	t.Helper()
	for since := time.Now(); time.Since(since) < time.Minute; time.Sleep(50 * time.Millisecond) {
		list := must(c.Retention.ListRetentionExecutions(t.Context(), &retention.ListRetentionExecutionsParams{ID: id}))(t)
		for _, e := range list.Payload {
			if e.ID == run && e.Status != "Pending" && e.Status != "Running" {
				return e
			}
		}
	}
	t.Fatalf("run %d does not end", run)
	return nil
}

func TestReplication(t *testing.T) {
	c, ctx := client(t), t.Context()
	types := must(c.Registry.ListRegistryProviderTypes(ctx, &registry.ListRegistryProviderTypesParams{}))(t).Payload
	has(t, strings.Join(types, " "), "docker-registry")
	// The registry is its own other one: what is copied goes to another project.
	at := &models.Registry{
		Name: "self", Type: "harbor", URL: os.Getenv(urlVar), Insecure: true,
		Credential: &models.RegistryCredential{Type: "basic", AccessKey: "admin", AccessSecret: os.Getenv(passwordVar)},
	}
	made := must(c.Registry.CreateRegistry(ctx, &registry.CreateRegistryParams{Registry: at}))(t)
	id := number(t, made.Location)
	must(c.Registry.PingRegistry(ctx, &registry.PingRegistryParams{Registry: &models.RegistryPing{ID: &id}}))(t)
	wrong := "wrong"
	_, err := c.Registry.PingRegistry(ctx, &registry.PingRegistryParams{Registry: &models.RegistryPing{ID: &id, AccessSecret: &wrong}})
	refused(t, "a wrong password", err)
	must(c.Registry.UpdateRegistry(ctx, &registry.UpdateRegistryParams{ID: id, Registry: &models.RegistryUpdate{Insecure: &at.Insecure}}))(t)
	must(c.Registry.PingRegistry(ctx, &registry.PingRegistryParams{Registry: &models.RegistryPing{ID: &id}}))(t) // it was kept
	got := must(c.Registry.GetRegistry(ctx, &registry.GetRegistryParams{ID: id}))(t).Payload
	want(t, "the user", got.Credential.AccessKey, "admin")
	want(t, "the secret", got.Credential.AccessSecret, "*****")
	want(t, "the info", must(c.Registry.GetRegistryInfo(ctx, &registry.GetRegistryInfoParams{ID: id}))(t).Payload.Type, "harbor")

	speed, flatten := int32(-1), int8(1)
	policy := &models.ReplicationPolicy{
		Name: "mirror", DestRegistry: &models.Registry{ID: id}, DestNamespace: "mirror", DestNamespaceReplaceCount: &flatten,
		Trigger: &models.ReplicationTrigger{Type: "manual"}, Enabled: true, Override: true, Speed: &speed,
		Filters: []*models.ReplicationFilter{
			{Type: "name", Value: "team/other"},
			{Type: "tag", Value: "v*", Decoration: "matches"},
			{Type: "resource", Value: "image"},
		},
	}
	location := must(c.Replication.CreateReplicationPolicy(ctx, &replication.CreateReplicationPolicyParams{Policy: policy}))(t).Location
	rule := number(t, location)
	shown := must(c.Replication.GetReplicationPolicy(ctx, &replication.GetReplicationPolicyParams{ID: rule}))(t).Payload
	want(t, "the target", shown.DestRegistry.ID, id)
	want(t, "the source", shown.SrcRegistry.ID, 0)
	want(t, "the filters", len(shown.Filters), 3)
	want(t, "the speed", *shown.Speed, -1)
	want(t, "what is taken off", *shown.DestNamespaceReplaceCount, 1)
	shown.Trigger = &models.ReplicationTrigger{
		Type: "scheduled", TriggerSettings: &models.ReplicationTriggerSettings{Cron: "0 0 2 * * *"},
	}
	must(c.Replication.UpdateReplicationPolicy(ctx, &replication.UpdateReplicationPolicyParams{ID: rule, Policy: shown}))(t)
	back := must(c.Replication.GetReplicationPolicy(ctx, &replication.GetReplicationPolicyParams{ID: rule}))(t).Payload
	want(t, "the schedule", back.Trigger.TriggerSettings.Cron, "0 0 2 * * *")
	started := must(c.Replication.StartReplication(ctx, &replication.StartReplicationParams{
		Execution: &models.StartReplicationExecution{PolicyID: rule},
	}))(t)
	run := copied(t, c, number(t, started.Location))
	want(t, "the run", run.Status, "Succeed")
	want(t, "its trigger", run.Trigger, "manual")
	want(t, "what succeeded", run.Succeed, run.Total)
	tasks := must(c.Replication.ListReplicationTasks(ctx, &replication.ListReplicationTasksParams{ID: run.ID}))(t)
	want(t, "the tasks", tasks.XTotalCount, run.Total)
	want(t, "the source of one", tasks.Payload[0].SrcResource, "team/other:[v1]")
	want(t, "its target", tasks.Payload[0].DstResource, "mirror/other:[v1]")
	log := must(c.Replication.GetReplicationLog(ctx, &replication.GetReplicationLogParams{ID: run.ID, TaskID: tasks.Payload[0].ID}))(t)
	has(t, log.Payload, "team/other:v1 -> mirror/other:v1")
	must(c.Artifact.GetArtifact(ctx, &artifact.GetArtifactParams{ProjectName: "mirror", RepositoryName: "other", Reference: "v1"}))(t)
	_, err = c.Replication.StopReplication(ctx, &replication.StopReplicationParams{ID: run.ID})
	refused(t, "the stop of a run that has ended", err)
	list := must(c.Replication.ListReplicationExecutions(ctx, &replication.ListReplicationExecutionsParams{PolicyID: &rule}))(t)
	want(t, "the runs", len(list.Payload), 1)
	_, err = c.Registry.DeleteRegistry(ctx, &registry.DeleteRegistryParams{ID: id})
	refused(t, "the removal of a registry that a policy uses", err)
	must(c.Replication.DeleteReplicationPolicy(ctx, &replication.DeleteReplicationPolicyParams{ID: rule}))(t)
	must(c.Registry.DeleteRegistry(ctx, &registry.DeleteRegistryParams{ID: id}))(t)
}

// copied waits for a run.
func copied(t *testing.T, c *v2client.HarborAPI, id int64) *models.ReplicationExecution {
	t.Helper()
	for since := time.Now(); time.Since(since) < time.Minute; time.Sleep(50 * time.Millisecond) {
		run := must(c.Replication.GetReplicationExecution(t.Context(), &replication.GetReplicationExecutionParams{ID: id}))(t).Payload
		if run.Status != "InProgress" {
			return run
		}
	}
	t.Fatalf("run %d does not end", id)
	return nil
}

// TestLists sorts, narrows and pages.
func TestLists(t *testing.T) {
	c, ctx := client(t), t.Context()
	names := func(q, sort string) string {
		t.Helper()
		list := must(c.Repository.ListRepositories(ctx, &repository.ListRepositoriesParams{ProjectName: "lists", Q: &q, Sort: &sort}))(t)
		var all []string
		for _, r := range list.Payload {
			all = append(all, strings.TrimPrefix(r.Name, "lists/"))
		}
		want(t, "X-Total-Count of "+q, list.XTotalCount, int64(len(all)))
		return strings.Join(all, " ")
	}
	for _, tc := range []struct{ q, sort, want string }{
		{"", "", "a b c"},
		{"", "-name", "c b a"},
		{"name=~B", "", "b"},
		{"name=lists/a", "", "a"},
		{"name={lists/a 'lists/c'}", "name", "a c"},
		{"name=[lists/b~]", "", "b c"},
		{`creation_time=["2020-01-01 00:00:00"~]`, "-creation_time", "c b a"},
		{`creation_time=[~"2020-01-01 00:00:00"]`, "", ""},
	} {
		want(t, tc.q+" "+tc.sort, names(tc.q, tc.sort), tc.want)
	}
	for _, q := range []string{"colour=red", "name", "name=(a b)", "creation_time=[x~]"} {
		_, err := c.Repository.ListRepositories(ctx, &repository.ListRepositoriesParams{ProjectName: "lists", Q: &q})
		refused(t, q, err)
	}
	sort := "colour"
	_, err := c.Repository.ListRepositories(ctx, &repository.ListRepositoriesParams{ProjectName: "lists", Sort: &sort})
	refused(t, "a sort by colour", err)
	_, err = c.Robot.ListRobot(ctx, &robot.ListRobotParams{Sort: &sort})
	refused(t, "a sort of robots by colour", err)
	for q, n := range map[string]int64{"tags=*": 1, "tags=nil": 1, "tags=v1": 1, "tags=~v": 1, "tags=v2": 0, "tags=(v1 w1)": 1} {
		list := must(c.Artifact.ListArtifacts(ctx, &artifact.ListArtifactsParams{ProjectName: "lists", RepositoryName: "a", Q: &q}))(t)
		want(t, q, list.XTotalCount, n)
	}
}

func TestImmutable(t *testing.T) {
	c, ctx := client(t), t.Context()
	rule := &models.ImmutableRule{
		Action: "immutable", Template: "immutable_template",
		TagSelectors: []*models.ImmutableSelector{{Kind: "doublestar", Decoration: "matches", Pattern: "golden"}},
		ScopeSelectors: map[string][]models.ImmutableSelector{"repository": {{
			Kind: "doublestar", Decoration: "repoMatches", Pattern: "**",
		}}},
	}
	made := must(c.Immutable.CreateImmuRule(ctx, &immutable.CreateImmuRuleParams{ProjectNameOrID: "lists", ImmutableRule: rule}))(t)
	id := number(t, made.Location)
	rule.TagSelectors[0].Pattern = "silver"
	must(c.Immutable.UpdateImmuRule(ctx, &immutable.UpdateImmuRuleParams{ProjectNameOrID: "lists", ImmutableRuleID: id, ImmutableRule: rule}))(t)
	list := must(c.Immutable.ListImmuRules(ctx, &immutable.ListImmuRulesParams{ProjectNameOrID: "lists"}))(t)
	want(t, "the rules", list.XTotalCount, 1)
	want(t, "the pattern", list.Payload[0].TagSelectors[0].Pattern, "silver")
	must(c.Immutable.DeleteImmuRule(ctx, &immutable.DeleteImmuRuleParams{ProjectNameOrID: "lists", ImmutableRuleID: id}))(t)
}

// TestLabels makes labels of all projects and of one, and finds an artifact by them.
func TestLabels(t *testing.T) {
	c, ctx := client(t), t.Context()
	lists := must(c.Project.GetProject(ctx, &project.GetProjectParams{ProjectNameOrID: "lists"}))(t).Payload
	global, own := "g", "p"
	page, size := int64(1), int64(10)
	wide := number(t, must(c.Label.CreateLabel(ctx, &label.CreateLabelParams{Label: &models.Label{
		Name: "stable", Color: "#1A7F37", Scope: global,
	}}))(t).Location)
	narrow := number(t, must(c.Label.CreateLabel(ctx, &label.CreateLabelParams{Label: &models.Label{
		Name: "reviewed", Color: "#CF222E", Scope: own, ProjectID: int64(lists.ProjectID),
	}}))(t).Location)
	if _, err := c.Label.CreateLabel(ctx, &label.CreateLabelParams{Label: &models.Label{Name: "stable", Scope: global}}); err == nil {
		t.Error("a second label of the name")
	} else if _, ok := err.(*label.CreateLabelConflict); !ok {
		t.Errorf("a second label of the name: %v", err)
	}
	all := must(c.Label.ListLabels(ctx, &label.ListLabelsParams{Scope: &global, Page: &page, PageSize: &size}))(t)
	want(t, "labels of all projects", all.XTotalCount, 1)
	want(t, "the colour", all.Payload[0].Color, "#1A7F37")
	id := int64(lists.ProjectID)
	mine := must(c.Label.ListLabels(ctx, &label.ListLabelsParams{Scope: &own, ProjectID: &id, Page: &page, PageSize: &size}))(t)
	want(t, "of the project", mine.Payload[0].Name, "reviewed")
	mine.Payload[0].Description = "looked at"
	must(c.Label.UpdateLabel(ctx, &label.UpdateLabelParams{LabelID: narrow, Label: mine.Payload[0]}))(t)
	one := must(c.Label.GetLabelByID(ctx, &label.GetLabelByIDParams{LabelID: narrow}))(t).Payload
	want(t, "the description", one.Description, "looked at")
	for _, id := range []int64{wide, narrow} {
		must(c.Artifact.AddLabel(ctx, &artifact.AddLabelParams{
			ProjectName: "lists", RepositoryName: "b", Reference: "v1", Label: &models.Label{ID: id},
		}))(t)
	}
	with, q := true, "labels=("+strconv.FormatInt(wide, 10)+" "+strconv.FormatInt(narrow, 10)+")"
	found := must(c.Artifact.ListArtifacts(ctx, &artifact.ListArtifactsParams{
		ProjectName: "lists", RepositoryName: "b", Q: &q, WithLabel: &with, Page: &page, PageSize: &size,
	}))(t)
	want(t, "artifacts with both", found.XTotalCount, 1)
	want(t, "labels on it", len(found.Payload[0].Labels), 2)
	must(c.Artifact.RemoveLabel(ctx, &artifact.RemoveLabelParams{ProjectName: "lists", RepositoryName: "b", Reference: "v1", LabelID: wide}))(t)
	must(c.Label.DeleteLabel(ctx, &label.DeleteLabelParams{LabelID: wide}))(t)
	must(c.Label.DeleteLabel(ctx, &label.DeleteLabelParams{LabelID: narrow}))(t)
	got := must(c.Artifact.GetArtifact(ctx, &artifact.GetArtifactParams{ProjectName: "lists", RepositoryName: "b", Reference: "v1"}))(t)
	want(t, "labels on it at last", len(got.Payload.Labels), 0)
}
