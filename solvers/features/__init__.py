"""Side information: attributes of users and items, which move the point that regularisation pulls to.

User u has attributes f_u (p,), item i has g_i (q,). In place of the ridge of `halfstep.solvers.problem`,
ALS minimises the same data terms and

      sum_u lambda_u |x_u - W'f_u|^2 + sum_i lambda_i |y_i - V'g_i|^2
    + sum_k mu_k |w_k|^2 + sum_k mu_k |v_k|^2

over X, Y, W (p, f) and V (q, f). The *prior mean* m_u = W'f_u replaces zero. With the other side fixed,
a row's system keeps its matrix, and its right-hand side gains lambda_u m_u:

    (a0 Y'Y + lambda_u I + sum_{i in S_u} w_ui y_i y_i') x_u = sum_{i in S_u} t_ui y_i + lambda_u m_u

With X fixed, W is a ridge regression of the rows on their attributes, each row as important as its pull:

    (F' L F + diag(mu)) W = F' L X,      L = diag(lambda_u)

* `given` checks what a caller passes, `strength` the ridge mu;
* `ridge` solves for W, `prior` holds one side's F, W and prior means during a fit;
* `pulled` writes the pull as one more stored entry of a row, which every solver takes as it is;
* `in_fit` is what a fit is given, carries along and leaves; `of_model` what fold-in takes of that, and
  `stored` what a file keeps.

**Rows without entries** have no cell that a fit may learn from. They take no part in it, neither in the
other side's Gramian nor in W, and get their prior means when it ends. Without attributes that is zero,
as ever.
"""
