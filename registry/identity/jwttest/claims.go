package jwttest

import "maps"

// with are claims with others in their place.
func with(claims map[string]any, others map[string]any) map[string]any {
	maps.Copy(claims, others)
	return claims
}

// GitHub are the claims of a job of GitHub Actions on the branch main of octo/app, for an
// audience, with others in their place. See "OpenID Connect reference" of GitHub's
// documentation.
func GitHub(audience string, others map[string]any) map[string]any {
	return with(map[string]any{
		"jti": "5f1c41a6-62f8-4b0a-8ad4-b5f4ab0ea5a5", "sub": "repo:octo/app:ref:refs/heads/main", "aud": audience,
		"ref": "refs/heads/main", "sha": "f1d2d2f924e986ac86fdf7b36c94bcdf32beec15", "repository": "octo/app",
		"repository_owner": "octo", "repository_owner_id": "65", "repository_id": "74", "repository_visibility": "private",
		"run_id": "1201", "run_number": "10", "run_attempt": "2", "actor": "mona", "actor_id": "12", "workflow": "build",
		"head_ref": "", "base_ref": "", "event_name": "push", "ref_type": "branch", "ref_protected": "true",
		"workflow_ref":     "octo/app/.github/workflows/build.yml@refs/heads/main",
		"job_workflow_ref": "octo/shared/.github/workflows/build.yml@refs/heads/main", "runner_environment": "github-hosted",
	}, others)
}

// GitLab are the claims of an ID token of a job of GitLab CI/CD on the branch main of
// group/app, for an audience, with others in their place. See "OpenID Connect (OIDC)
// Authentication Using ID Tokens" of GitLab's documentation.
func GitLab(audience string, others map[string]any) map[string]any {
	return with(map[string]any{
		"jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b", "sub": "project_path:group/app:ref_type:branch:ref:main", "aud": audience,
		"namespace_id": "72", "namespace_path": "group", "project_id": "20", "project_path": "group/app", "user_id": "1",
		"user_login": "mona", "user_email": "mona@example.com", "user_access_level": "owner", "pipeline_id": "574",
		"pipeline_source": "push", "job_id": "302", "ref": "main", "ref_type": "branch", "ref_path": "refs/heads/main",
		"ref_protected": "true", "environment": "production", "environment_protected": "false", "runner_id": 1,
		"runner_environment": "self-hosted", "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "project_visibility": "private",
		"groups_direct": []string{"group", "group/ops"},
	}, others)
}

// Kubernetes are the claims of a projected token of the service account
// builder in the namespace team, for an audience, with others in their place. See
// "Managing Service Accounts" of Kubernetes' documentation.
func Kubernetes(audience string, others map[string]any) map[string]any {
	return with(map[string]any{
		"aud": []string{audience}, "sub": "system:serviceaccount:team:builder", "jti": "0ed0d4b2-5b3e-4a53-b7d2-1b6d9d2d6c5e",
		"kubernetes.io": map[string]any{
			"namespace":      "team",
			"node":           map[string]any{"name": "node-1", "uid": "646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1"},
			"pod":            map[string]any{"name": "build-0", "uid": "5e0bd49b-f040-43b0-99b7-22765a53f7f3"},
			"serviceaccount": map[string]any{"name": "builder", "uid": "14ee3fa4-a7e2-420f-9f9a-dbc4507c3798"},
		},
	}, others)
}
