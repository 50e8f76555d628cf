import JSONTree
import Testing

@testable import APIServer

/// What one rule allows and what rules cover, as tables.
@Suite struct AccessRuleTests {
    private func asks(_ verb: String, _ resource: String, group: String = "", name: String = "") -> AuthorizationAttributes {
        let parts = resource.split(separator: "/", maxSplits: 1).map(String.init)
        return AuthorizationAttributes(
            user: User(name: "u", groups: []), verb: verb,
            resource: .init(group: group, resource: parts[0], subresource: parts.count == 2 ? parts[1] : "", namespace: "n", name: name))
    }

    private func asks(_ verb: String, path: String) -> AuthorizationAttributes {
        AuthorizationAttributes(user: User(name: "u", groups: []), verb: verb, resource: nil, path: path)
    }

    @Test func verbsGroupsAndResources() {
        let rule = PolicyRule.on("core apps", "pods deployments/scale", "get list")
        #expect(rule.allows(asks("get", "pods")))
        #expect(rule.allows(asks("list", "pods", group: "apps")))
        #expect(rule.allows(asks("get", "deployments/scale", group: "apps")))
        #expect(!rule.allows(asks("watch", "pods")))
        #expect(!rule.allows(asks("get", "pods", group: "batch")))
        #expect(!rule.allows(asks("get", "pods/log")), "a resource is not its subresources")
        #expect(!rule.allows(asks("get", "deployments", group: "apps")))
        #expect(!rule.allows(asks("get", path: "/pods")))
    }

    @Test func starsStandForAll() {
        #expect(PolicyRule.on("*", "*", "*").allows(asks("frob", "things/part", group: "x.io", name: "a")))
        let scale = PolicyRule.on("*", "*/scale", "get")
        #expect(scale.allows(asks("get", "replicasets/scale", group: "apps")))
        #expect(!scale.allows(asks("get", "replicasets", group: "apps")))
        #expect(!scale.allows(asks("get", "replicasets/status", group: "apps")))
        #expect(!PolicyRule.on("core", "pods/*", "get").allows(asks("get", "pods/log")), "a star behind the slash means nothing")
    }

    @Test func namesNarrow() {
        let rule = PolicyRule.on("core", "configmaps", "get update list create", names: "one two")
        #expect(rule.allows(asks("get", "configmaps", name: "one")))
        #expect(!rule.allows(asks("get", "configmaps", name: "three")))
        #expect(!rule.allows(asks("list", "configmaps")), "a list of all is not about one")
        #expect(!rule.allows(asks("create", "configmaps")))
    }

    @Test func paths() {
        let rule = PolicyRule.get("/healthz /api/* /logs*")
        #expect(rule.allows(asks("get", path: "/healthz")))
        #expect(rule.allows(asks("get", path: "/api/v1")))
        #expect(rule.allows(asks("get", path: "/api/")))
        #expect(rule.allows(asks("get", path: "/logs")))
        #expect(!rule.allows(asks("get", path: "/api")))
        #expect(!rule.allows(asks("get", path: "/healthz/ping")))
        #expect(!rule.allows(asks("post", path: "/healthz")))
        #expect(PolicyRule.get("*").allows(asks("get", path: "/anything")))
    }

    @Test(arguments: [
        // held, asked, what is missing
        ([PolicyRule.on("core", "pods", "get list")], [PolicyRule.on("core", "pods", "get")], []),
        ([PolicyRule.on("core", "pods", "get")], [PolicyRule.on("core", "pods", "get list")], [PolicyRule.on("core", "pods", "list")]),
        ([PolicyRule.on("core", "pods", "get"), .on("core", "pods", "list")], [PolicyRule.on("core", "pods", "list get")], []),
        ([PolicyRule.on("core", "pods", "get", names: "a")], [PolicyRule.on("core", "pods", "get")], [PolicyRule.on("core", "pods", "get")]),
        ([PolicyRule.on("core", "pods", "get", names: "a b")], [PolicyRule.on("core", "pods", "get", names: "a")], []),
        ([PolicyRule.on("core", "pods", "get", names: "a")], [PolicyRule.on("core", "pods", "get", names: "a b")], [PolicyRule.on("core", "pods", "get", names: "b")]),
        ([PolicyRule.on("*", "*/scale", "*")], [PolicyRule.on("apps", "deployments/scale", "get")], []),
        ([PolicyRule.on("*", "*/scale", "*")], [PolicyRule.on("apps", "deployments", "get")], [PolicyRule.on("apps", "deployments", "get")]),
        ([PolicyRule.on("core", "pods", "get list watch")], [PolicyRule.on("core", "pods", "*")], [PolicyRule.on("core", "pods", "*")]),
        ([PolicyRule.get("/api/*")], [PolicyRule.get("/api/v1 /api/v2/*")], []),
        ([PolicyRule.get("/api/v1")], [PolicyRule.get("/api/*")], [PolicyRule.get("/api/*")]),
        (PolicyRule.everything, [PolicyRule.on("x.io", "things/part", "frob"), .get("/y")], []),
    ] as [([PolicyRule], [PolicyRule], [PolicyRule])])
    func coverage(_ held: [PolicyRule], _ asked: [PolicyRule], _ missing: [PolicyRule]) {
        #expect(PolicyRules.missing(from: held, of: asked) == missing)
    }

    @Test func summaries() {
        let rules = PolicyRules.compact([.on("core", "pods", "get"), .on("core", "pods", "list"), .on("core", "pods", "get", names: "a"), .get("/x")])
        #expect(rules.map(\.summary) == [
            #"{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}"#,
            #"{APIGroups:[""], Resources:["pods"], ResourceNames:["a"], Verbs:["get"]}"#, #"{NonResourceURLs:["/x"], Verbs:["get"]}"#,
        ])
    }
}

/// Who is bound to what, on a policy that is a value.
@Suite struct AccessPolicyTests {
    private let policy = AccessPolicy([
        .role("ClusterRole", "reader", [.rule(["get"], ["pods"]), ["nonResourceURLs": ["/x"], "verbs": ["get"]]]),
        JSON.role("Role", "writer", [.rule(["create"], ["pods"])]).with("a", at: "metadata", "namespace"),
        .binding("ClusterRoleBinding", "everywhere", to: "ClusterRole", "reader", [.userSubject("ann")]),
        JSON.binding("RoleBinding", "here", to: "ClusterRole", "reader", [["kind": "Group", "name": "team"]]).with("a", at: "metadata", "namespace"),
        JSON.binding("RoleBinding", "local", to: "Role", "writer", [["kind": "ServiceAccount", "name": "bot", "namespace": "b"]])
            .with("a", at: "metadata", "namespace"),
        JSON.binding("RoleBinding", "broken", to: "Role", "nowhere", [.userSubject("ann")]).with("a", at: "metadata", "namespace"),
        .binding("ClusterRoleBinding", "accounts", to: "ClusterRole", "reader", [["kind": "Group", "name": "system:serviceaccounts:c"]]),
    ])

    private func reason(_ name: String, _ groups: [String] = [], _ verb: String = "get", in namespace: String) -> String? {
        policy.reason(for: AuthorizationAttributes(
            user: User(name: name, groups: groups), verb: verb, resource: .init(group: "", resource: "pods", namespace: namespace)))
    }

    @Test func clusterBindingsHoldEverywhereOthersInTheirNamespace() {
        #expect(reason("ann", in: "a") == #"RBAC: allowed by ClusterRoleBinding "everywhere" of ClusterRole "reader" to User "ann""#)
        #expect(reason("ann", in: "") != nil)
        #expect(reason("ann", [], "create", in: "a") == nil)
        #expect(reason("bob", ["team"], in: "a") == #"RBAC: allowed by RoleBinding "here/a" of ClusterRole "reader" to Group "team""#)
        #expect(reason("bob", ["team"], in: "b") == nil)
        #expect(reason("bob", ["team"], in: "") == nil, "a role in a namespace says nothing of all namespaces")
        #expect(reason("team", in: "a") == nil, "a user with the name of a group is not in it")
    }

    @Test func serviceAccountsAreUsersWithANameOfTwoParts() {
        #expect(reason("system:serviceaccount:b:bot", [], "create", in: "a")
            == #"RBAC: allowed by RoleBinding "local/a" of Role "writer" to ServiceAccount "bot/b""#)
        #expect(reason("system:serviceaccount:a:bot", [], "create", in: "a") == nil)
        #expect(reason("bot", [], "create", in: "a") == nil)
        let account = ServiceAccountName(namespace: "c", name: "x")
        #expect(reason(account.userName, account.groups, in: "z") != nil)
    }

    @Test func rulesOfAUserAreThoseOfTheClusterAndOfTheNamespace() {
        #expect(policy.rules(of: User(name: "ann", groups: ["team"]), namespace: "a").count == 4)
        #expect(policy.rules(of: User(name: "ann", groups: ["team"]), namespace: "b").count == 2)
        #expect(policy.rules(of: User(name: "eve", groups: []), namespace: "a").isEmpty)
    }

    @Test func pathsAreOfTheClusterOnly() {
        func mayRead(_ name: String, _ groups: [String]) -> Bool {
            policy.reason(for: AuthorizationAttributes(user: User(name: name, groups: groups), verb: "get", resource: nil, path: "/x")) != nil
        }
        #expect(mayRead("ann", []))
        #expect(!mayRead("bob", ["team"]))
    }
}
