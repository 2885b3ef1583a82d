Feature: Runs that outlive a release
  What is here was begun by an earlier release. To add a run, add a scenario: its file is written when there is none yet.
  Files are never written again, since a state in them is what that release wrote.

  Scenario: calls and retries
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: golden, name: calls, version: '1.0.0', metadata: {lifecycle: true}}
    use: {secrets: [shop]}
    input: {from: "{orders: .orders}"}
    output: {as: "{orders: ., context: $context}"}
    do:
      - each:
          for: {each: order, in: .orders, at: position}
          timeout: {after: {hours: 2}}
          do:
            - guarded:
                try:
                  - both:
                      fork:
                        branches:
                          - charge:
                              call: http
                              timeout: {after: {minutes: 1}}
                              with:
                                method: post
                                endpoint: https://api.test/charge/{order}
                                headers: {Authorization: '${ "Bearer \($secrets.shop.token)" }'}
                                body: {order: "${ $order }", position: "${ $position }"}
                              input: {from: "{order: $order}"}
                              export: {as: "$context + [$output]"}
                          - pause: {wait: {seconds: 30}}
                catch:
                  errors: {with: {status: 503}}
                  as: problem
                  retry: {delay: {seconds: 10}, backoff: {exponential: {}}, limit: {attempt: {count: 2}}}
                  do:
                    - told: {emit: {event: {with: {type: order.failed, data: "${ $problem }"}}}}
            - next: {set: "${ {last: $order} }"}
    """
    And given its secrets are:
    """yaml
    shop: {token: null}
    """
    And given its context is:
    """yaml
    []
    """
    And given the workflow input is:
    """yaml
    orders: [a, b]
    """
    And given the server answers:
    """yaml
    - {path: /charge/a, status: 503, after: 2}
    - {path: /charge/a, after: 3, body: {charged: 1.1}}
    - {path: /charge/b, status: 503, after: 1}
    """
    When the workflow is executed
    When 10 minutes pass
    Then the workflow should complete with output:
    """yaml
    orders: {last: b}
    context: [{charged: 1.1}]
    """

  Scenario: events and operators
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: golden, name: events, version: '1.0.0'}
    use:
      functions:
        remind:
          do:
            - call: {call: http, with: {method: get, endpoint: "https://api.test/remind"}}
    do:
      - all:
          listen:
            to:
              all:
                - with: {type: paid}
                  correlate: {order: {from: .data.order, expect: "${ .order }"}}
                - with: {type: shipped}
            read: envelope
          output: {as: "[.[].type]"}
      - race:
          fork:
            compete: true
            branches:
              - reminder: {call: remind, with: {a: 1}}
              - answer: {listen: {to: {any: [{with: {type: yes}}, {with: {type: no}}]}}}
      - done: {set: {race: "${ . }"}}
    """
    And given the workflow input is:
    """yaml
    order: 7
    """
    And given the server answers:
    """yaml
    - {path: /remind, status: 500, after: 5}
    """
    When the workflow is executed
    When an event arrives:
    """yaml
    {id: '1', type: shipped, data: {}}
    """
    When an operator pauses it
    When an event arrives:
    """yaml
    {id: '2', type: paid, data: {order: 7}}
    """
    When an operator resumes it
    When 1 minute passes
    When an event arrives:
    """yaml
    {id: '3', type: "no", data: {why: late}}
    """
    Then the workflow should complete with output:
    """yaml
    race: [{why: late}]
    """

  Scenario: a failure and a retry
    Given a workflow with definition:
    """yaml
    document: {dsl: '1.0.3', namespace: golden, name: failure, version: '1.0.0'}
    do:
      - both:
          fork:
            branches:
              - slow: {wait: {minutes: 10}}
              - fails:
                  do:
                    - count: {set: {n: "${ .n + 1 }"}}
                    - call: {call: http, with: {method: put, endpoint: "https://api.test/fails", body: "${ . }"}}
    """
    And given the workflow input is:
    """yaml
    n: 1
    """
    And given the server answers:
    """yaml
    - {path: /fails, status: 500, after: 5}
    - {path: /fails, after: 5, body: fine}
    """
    When the workflow is executed
    When 1 minute passes
    Then the workflow should fault
    When an operator retries it with fresh keys
    When 1 hour passes
    Then the workflow should complete with output:
    """yaml
    [{n: 1}, fine]
    """
