package create

import (
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"

	devserverv1 "devserver.io/devserver/api/v1"
	"devserver.io/devserver/internal/cli/flavors"
	"devserver.io/devserver/internal/cli/imageref"
	"devserver.io/devserver/internal/cli/keys"
	"devserver.io/devserver/internal/cli/output"
	"devserver.io/devserver/internal/cli/wait"
	"devserver.io/devserver/internal/exit"
	"devserver.io/devserver/internal/policy"
)

// text is the value of --output for people.
const text = "text"

// Options say what to create, and whether and how to wait for it.
type Options struct {
	Waiting wait.Options // has the name
	Keys    keys.Options
	Output  output.Flags
	// DryRun writes nothing.
	DryRun bool
	// AnyCapacity accepts a flavor that no node can run now.
	AnyCapacity bool

	Owner, Flavor, Image, HomeSize, StorageClass, Shared, TTL, Idle string
	Volumes, Env                                                    []string
}

// missing tells whether the form has to ask for something, and can.
func (o *Options) missing() bool {
	return o.Waiting.Live && (o.Waiting.Name == "" || o.Flavor == "")
}

// check says what is wrong with the flags. The API server checks the rest.
func (o *Options) check() error {
	if o.Waiting.Name == "" && !o.Waiting.Live {
		return exit.With(exit.Usage, errors.New("give the server a name: devctl create NAME; on a terminal, devctl create asks for it"))
	}
	// The API server would report two rules at once.
	if err := validName(o.Waiting.Name); err != nil && o.Waiting.Name != "" {
		return exit.With(exit.Usage, fmt.Errorf("%q is not a name for a DevServer: %w", o.Waiting.Name, err))
	}
	if err := o.Output.Check(); err != nil {
		return err
	}
	_, err := o.spec()
	return exit.With(exit.Usage, err)
}

// spec is the spec that the flags ask for, without owner and keys.
func (o *Options) spec() (devserverv1.DevServerSpec, error) {
	spec := devserverv1.DevServerSpec{Flavor: o.Flavor, SharedVolumeClaimName: o.Shared}
	for _, set := range []func(*devserverv1.DevServerSpec) error{o.setImage, o.setHome, o.setVolumes, o.setEnv, o.setLifecycle} {
		if err := set(&spec); err != nil {
			return spec, err
		}
	}
	return spec, nil
}

// setImage checks the image: the kubelet would refuse a malformed reference only
// after the server has been scheduled.
func (o *Options) setImage(spec *devserverv1.DevServerSpec) error {
	if o.Image == "" {
		return nil
	}
	spec.Image = o.Image
	if err := imageref.Check(o.Image); err != nil {
		return fmt.Errorf("--image %w", err)
	}
	return nil
}

func (o *Options) setHome(spec *devserverv1.DevServerSpec) (err error) {
	if o.StorageClass != "" {
		if faults := validation.IsDNS1123Subdomain(o.StorageClass); len(faults) > 0 {
			return fmt.Errorf("--storage-class %q is not the name of a StorageClass", o.StorageClass)
		}
		spec.Home = &devserverv1.HomeSpec{StorageClassName: &o.StorageClass}
	}
	if o.HomeSize != "" {
		spec.PersistentHomeSize, err = parseSize(o.HomeSize)
	}
	return err
}

func parseSize(size string) (resource.Quantity, error) {
	quantity, err := resource.ParseQuantity(size)
	if err != nil || quantity.Sign() <= 0 {
		return quantity, fmt.Errorf("--home-size %q is not a size from 1Mi to 1Pi, such as 100Gi", size)
	}
	return quantity, nil
}

func (o *Options) setVolumes(spec *devserverv1.DevServerSpec) error {
	for _, volume := range o.Volumes {
		claim, mount, ok := strings.Cut(volume, ":")
		mount, readOnly := strings.CutSuffix(mount, ":ro")
		if !ok || claim == "" || !path.IsAbs(mount) {
			return fmt.Errorf("-v %q is not CLAIM:/PATH or CLAIM:/PATH:ro", volume)
		}
		spec.Volumes = append(spec.Volumes, devserverv1.VolumeMount{ClaimName: claim, MountPath: mount, ReadOnly: readOnly})
	}
	return nil
}

func (o *Options) setEnv(spec *devserverv1.DevServerSpec) error {
	for _, variable := range o.Env {
		name, value, ok := strings.Cut(variable, "=")
		if !ok || name == "" {
			return fmt.Errorf("--env %q is not NAME=VALUE", variable)
		}
		if faults := validation.IsEnvVarName(name); len(faults) > 0 {
			return fmt.Errorf("--env %q: %q is not the name of a variable: letters, digits, '_', '-' and '.', and not a digit first", variable, name)
		}
		spec.Env = append(spec.Env, devserverv1.EnvVar{Name: name, Value: value})
	}
	return nil
}

func (o *Options) setLifecycle(spec *devserverv1.DevServerSpec) error {
	for _, bound := range []struct {
		flag, value string
		set         func(*devserverv1.LifecycleSpec, *metav1.Duration)
	}{
		{"--ttl", o.TTL, func(l *devserverv1.LifecycleSpec, d *metav1.Duration) { l.TimeToLive = d }},
		{"--idle", o.Idle, func(l *devserverv1.LifecycleSpec, d *metav1.Duration) { l.IdleTimeout = d }},
	} {
		if bound.value == "" {
			continue
		}
		length, err := policy.ParseDuration(bound.value)
		if err != nil {
			return fmt.Errorf("%s %w", bound.flag, err)
		}
		if spec.Lifecycle == nil {
			spec.Lifecycle = &devserverv1.LifecycleSpec{}
		}
		bound.set(spec.Lifecycle, &metav1.Duration{Duration: length.Truncate(time.Second)}) // The API requires whole seconds.
	}
	return nil
}

// devServer is the DevServer to create.
func (c *creator) devServer(found []keys.Key) (*devserverv1.DevServer, error) {
	spec, err := c.spec()
	if err != nil {
		return nil, exit.With(exit.Usage, err)
	}
	spec.Owner = c.Owner
	spec.SSH.PublicKey = found[0].Line
	for _, key := range found[1:] {
		spec.SSH.PublicKeys = append(spec.SSH.PublicKeys, key.Line)
	}
	if c.HomeSize == "" {
		spec.PersistentHomeSize = usualHome(c.flavor())
	}
	return &devserverv1.DevServer{
		TypeMeta:   metav1.TypeMeta{APIVersion: devserverv1.GroupVersion.String(), Kind: "DevServer"},
		ObjectMeta: metav1.ObjectMeta{Namespace: c.Waiting.Namespace, Name: c.Waiting.Name},
		Spec:       spec,
	}, nil
}

// manifest is a DevServer as a person would write it.
func manifest(ds *devserverv1.DevServer) (*unstructured.Unstructured, error) {
	object, err := runtime.DefaultUnstructuredConverter.ToUnstructured(ds)
	if err != nil {
		return nil, fmt.Errorf("showing DevServer %s: %w", ds.Name, err)
	}
	delete(object, "status")
	return &unstructured.Unstructured{Object: object}, nil
}

// flavor is the one that the server gets; nil if it is not known.
func (c *creator) flavor() *devserverv1.DevServerFlavor {
	if c.Flavor == "" {
		return flavors.Default(c.flavors)
	}
	return flavors.Find(c.flavors, c.Flavor)
}

// apiDefault is the API's default size of a home directory.
var apiDefault = resource.MustParse("10Gi")

// usualHome is the size of a home directory without --home-size: the nearest that
// the flavor allows to the API's default. It is zero for the API's default.
func usualHome(flavor *devserverv1.DevServerFlavor) resource.Quantity {
	if flavor == nil || flavor.Spec.HomeSize == nil {
		return resource.Quantity{}
	}
	bounds := flavor.Spec.HomeSize
	switch {
	case bounds.Min != nil && apiDefault.Cmp(*bounds.Min) < 0:
		return *bounds.Min
	case bounds.Max != nil && apiDefault.Cmp(*bounds.Max) > 0:
		return *bounds.Max
	}
	return resource.Quantity{}
}
