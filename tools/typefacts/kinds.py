"""What the factory serves of upstream's types. A new kind is one line here."""
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    group: str
    version: str
    kind: str
    plural: str
    short: tuple = ()
    sub: tuple = ()
    categories: tuple = ()


RBAC = "rbac.authorization.k8s.io"
RESOURCE = "resource.k8s.io"
AUTHZ = "authorization.k8s.io"
AUTHN = "authentication.k8s.io"

# Short names and categories: pkg/registry/*/storage of k8s.io/kubernetes. `sub`: only what the API server handles.
KINDS = [
    Kind("", "v1", "ConfigMap", "configmaps", short=("cm",)),
    Kind("", "v1", "Event", "events", short=("ev",)),
    Kind("", "v1", "Namespace", "namespaces", short=("ns",), sub=("status", "finalize")),
    Kind("", "v1", "Node", "nodes", short=("no",), sub=("status",)),
    Kind("", "v1", "Pod", "pods", short=("po",), sub=("status", "log", "binding", "eviction"), categories=("all",)),
    Kind("", "v1", "Secret", "secrets"),
    Kind("", "v1", "ServiceAccount", "serviceaccounts", short=("sa",), sub=("token",)),
    Kind(AUTHN, "v1", "SelfSubjectReview", "selfsubjectreviews"),
    Kind(AUTHN, "v1", "TokenReview", "tokenreviews"),
    Kind(AUTHZ, "v1", "LocalSubjectAccessReview", "localsubjectaccessreviews"),
    Kind(AUTHZ, "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
    Kind(AUTHZ, "v1", "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
    Kind(AUTHZ, "v1", "SubjectAccessReview", "subjectaccessreviews"),
    Kind("batch", "v1", "Job", "jobs", sub=("status",), categories=("all",)),
    Kind("coordination.k8s.io", "v1", "Lease", "leases"),
    Kind("events.k8s.io", "v1", "Event", "events", short=("ev",)),
    Kind(RBAC, "v1", "ClusterRole", "clusterroles"),
    Kind(RBAC, "v1", "ClusterRoleBinding", "clusterrolebindings"),
    Kind(RBAC, "v1", "Role", "roles"),
    Kind(RBAC, "v1", "RoleBinding", "rolebindings"),
    Kind(RESOURCE, "v1", "DeviceClass", "deviceclasses"),
    Kind(RESOURCE, "v1", "ResourceClaim", "resourceclaims", sub=("status",)),
    Kind(RESOURCE, "v1", "ResourceClaimTemplate", "resourceclaimtemplates"),
    Kind(RESOURCE, "v1", "ResourceSlice", "resourceslices"),
    Kind("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", short=("pc",)),
]

# Short names: the kinds' CustomResourceDefinitions (manifests/base/crds/minimal of argo-workflows).
ARGO = "argoproj.io"
ARGO_KINDS = [
    Kind(ARGO, "v1alpha1", "ClusterWorkflowTemplate", "clusterworkflowtemplates", short=("clusterwftmpl", "cwft")),
    Kind(ARGO, "v1alpha1", "CronWorkflow", "cronworkflows", short=("cwf", "cronwf")),
    Kind(ARGO, "v1alpha1", "Workflow", "workflows", short=("wf",)),
    Kind(ARGO, "v1alpha1", "WorkflowTemplate", "workflowtemplates", short=("wftmpl",)),
]
# Fields that hold more than their definition says: values may be numbers, booleans or objects, and are read as text.
ARGO_SHAPES = {
    "Parameter.default": ("any", ""),
    "Parameter.enum": ("any", "[]"),
    "Parameter.value": ("any", ""),
    "ValueFrom.default": ("any", ""),
    "ValueFrom.supplied": ("any", ""),
}

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
# Served or decoded, but not as resources of their own.
SCHEMAS = [
    "io.k8s.api.authentication.v1.TokenRequest",
    "io.k8s.api.core.v1.Binding",
    "io.k8s.api.policy.v1.Eviction",
    META + "APIGroup",
    META + "APIGroupList",
    META + "APIResourceList",
    META + "APIVersions",
    META + "DeleteOptions",
    META + "LabelSelector",
    META + "ListMeta",
    META + "Status",
    META + "WatchEvent",
]

# Field defaults that upstream writes in code: pkg/apis/{core,batch,rbac,scheduling,authentication}/v1/defaults.go.
PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
DEFAULTS = {
    "authentication.v1.TokenRequestSpec.expirationSeconds": 3600,
    "batch.v1.JobSpec.completionMode": "NonIndexed",
    "batch.v1.JobSpec.manualSelector": False,
    "batch.v1.JobSpec.parallelism": 1,
    "batch.v1.JobSpec.suspend": False,
    "batch.v1.PodFailurePolicyOnPodConditionsPattern.status": "True",
    "core.v1.ConfigMapVolumeSource.defaultMode": 0o644,
    "core.v1.Container.terminationMessagePath": "/dev/termination-log",
    "core.v1.Container.terminationMessagePolicy": "File",
    "core.v1.Container.resources": {},
    "core.v1.DownwardAPIVolumeSource.defaultMode": 0o644,
    "core.v1.EphemeralContainer.terminationMessagePath": "/dev/termination-log",
    "core.v1.EphemeralContainer.terminationMessagePolicy": "File",
    "core.v1.HTTPGetAction.path": "/",
    "core.v1.HTTPGetAction.scheme": "HTTP",
    "core.v1.HostPathVolumeSource.type": "",
    "core.v1.NamespaceStatus.phase": "Active",
    "core.v1.ObjectFieldSelector.apiVersion": "v1",
    "core.v1.PodSpec.dnsPolicy": "ClusterFirst",
    "core.v1.PodSpec.restartPolicy": "Always",
    "core.v1.PodSpec.schedulerName": "default-scheduler",
    "core.v1.PodSpec.securityContext": {},
    "core.v1.PodSpec.terminationGracePeriodSeconds": 30,
    "core.v1.ProjectedVolumeSource.defaultMode": 0o644,
    "core.v1.Secret.type": "Opaque",
    "core.v1.SecretVolumeSource.defaultMode": 0o644,
    "core.v1.ServiceAccountTokenProjection.expirationSeconds": 3600,
    "rbac.v1.RoleRef.apiGroup": RBAC,
    "scheduling.v1.PriorityClass.preemptionPolicy": "PreemptLowerPriority",
    **{f"core.v1.Probe.{name}": value for name, value in PROBE.items()},
}
