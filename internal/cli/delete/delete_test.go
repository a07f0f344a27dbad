package delete

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/cluster"
)

func TestFateOfTheHomeDirectory(t *testing.T) {
	claim := func(name string) client.Object {
		c := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: name}}
		c.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("100Gi")}
		return c
	}
	cases := map[string]struct {
		home   *devserverv1.HomeSpec
		status *devserverv1.HomeStatus
		claims []client.Object
		blind  bool
		want   string
	}{
		"Kept":       {claims: []client.Object{claim("home-bot-0")}, want: "Its home directory stays, in PersistentVolumeClaim home-bot-0 of 100Gi. A new DevServer with the same name, namespace and owner uses it again. To delete it: devctl homes delete home-bot-0 -n team"},
		"Deleted":    {home: &devserverv1.HomeSpec{RetentionPolicy: devserverv1.HomeDelete}, claims: []client.Object{claim("home-bot-0")}, want: "Its home directory, PersistentVolumeClaim home-bot-0 of 100Gi, is deleted with it for good, because of home.retentionPolicy Delete."},
		"Ephemeral":  {home: &devserverv1.HomeSpec{Ephemeral: true}, want: "Its ephemeral home directory is deleted with it."},
		"Another's":  {home: &devserverv1.HomeSpec{ClaimName: "mine"}, claims: []client.Object{claim("mine")}, want: "Its home directory stays, in PersistentVolumeClaim mine of 100Gi, which was not created for it."},
		"None":       {want: "It has no home directory yet."},
		"Unseen":     {blind: true, status: &devserverv1.HomeStatus{ClaimName: "home-bot-0", Capacity: "5Gi"}, want: "Its home directory stays, in PersistentVolumeClaim home-bot-0 of 5Gi. "},
		"UnseenSize": {blind: true, status: &devserverv1.HomeStatus{ClaimName: "home-bot-0"}, want: "Its home directory stays, in PersistentVolumeClaim home-bot-0. "},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			ds := &devserverv1.DevServer{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "bot"}}
			ds.Spec.Home, ds.Status.Home = tc.home, tc.status
			funcs := interceptor.Funcs{}
			if tc.blind {
				funcs.Get = func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
					return apierrors.NewForbidden(corev1.Resource("persistentvolumeclaims"), "", nil)
				}
			}
			c := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(tc.claims...).WithInterceptorFuncs(funcs).Build()
			if got := home(ds, claimOf(t.Context(), c, ds)); !strings.HasPrefix(got, tc.want) {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestANewServerOfTheSameNameIsNotDeleted(t *testing.T) {
	ds := &devserverv1.DevServer{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "bot", UID: "read"}}
	var only []types.UID
	c := fake.NewClientBuilder().WithScheme(cluster.Scheme()).WithObjects(ds).WithInterceptorFuncs(interceptor.Funcs{
		Delete: func(_ context.Context, _ client.WithWatch, _ client.Object, options ...client.DeleteOption) error {
			given := (&client.DeleteOptions{}).ApplyOptions(options)
			if given.Preconditions != nil && given.Preconditions.UID != nil {
				only = append(only, *given.Preconditions.UID)
			}
			return nil
		},
	}).Build()
	o := Options{Names: []string{"bot"}, Yes: true}
	o.Waiting.Namespace = "team"
	if err := Run(t.Context(), c, o, genericiooptions.NewTestIOStreamsDiscard()); err != nil {
		t.Fatal(err)
	}
	if len(only) != 1 || only[0] != "read" {
		t.Errorf("it deletes %v, want the one that was read", only)
	}
}
