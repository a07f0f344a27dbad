package cluster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUseNames(t *testing.T) {
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(kubeconfig, []byte(`{"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
		"users": [{"name": "u", "user": {}}],
		"contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "dev-ann"}}], "current-context": "x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	type result struct {
		Names     []string
		Namespace string // of the flags afterwards
		Err       string
	}
	cases := map[string]struct {
		flag  string
		words []string
		want  result
	}{
		"Plain":          {words: []string{"web"}, want: result{Names: []string{"web"}}},
		"PlainAndFlag":   {flag: "team", words: []string{"web"}, want: result{Names: []string{"web"}, Namespace: "team"}},
		"Dotted":         {words: []string{"web.team"}, want: result{Names: []string{"web"}, Namespace: "team"}},
		"Host":           {words: []string{"web.team.devserver"}, want: result{Names: []string{"web"}, Namespace: "team"}},
		"DottedAndFlag":  {flag: "team", words: []string{"web.team"}, want: result{Names: []string{"web"}, Namespace: "team"}},
		"FlagDisagrees":  {flag: "prod", words: []string{"web.team"}, want: result{Namespace: "prod", Err: "web is in namespace team, but -n says prod"}},
		"SameNamespace":  {words: []string{"web.team", "db.team"}, want: result{Names: []string{"web", "db"}, Namespace: "team"}},
		"UsualNamespace": {words: []string{"web", "db.dev-ann"}, want: result{Names: []string{"web", "db"}, Namespace: "dev-ann"}},
		"Several":        {words: []string{"web.team", "db"}, want: result{Err: "web is in namespace team and db is in namespace dev-ann"}},
		"User":           {words: []string{"root@web.team"}, want: result{Names: []string{"root@web"}, Namespace: "team"}},
		"NoName":         {words: []string{".team"}, want: result{Err: `".team" is not the name of a DevServer`}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			f := &Flags{kubeconfig: kubeconfig, namespace: tc.flag}
			names, err := f.UseNames(tc.words...)
			got := result{Names: names, Namespace: f.namespace}
			if err != nil {
				got.Err, _, _ = strings.Cut(err.Error(), ":")
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
